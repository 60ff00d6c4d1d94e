/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_allocator exit|slow: a program that is its own allocator, so that it can do in malloc what
 * others do seldom. It never gives memory back. After a line on stdin,
 *
 *	exit	it calls exit() inside malloc, with functions to be run then that allocate
 *	slow	malloc says "inside" and waits for another line before it returns; then it ends
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/workloads/work.h"

#define ARENA_BYTES (16 << 20)
#define ALIGNMENT   16
#define ROUNDS      1000
#define EXIT_BYTES  4321
#define SLOW_BYTES  4322

static _Alignas(ALIGNMENT) unsigned char arena[ARENA_BYTES];
static size_t used;

static void wait_for_line(const char *word)
{
	char byte = 0;

	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		_exit(3);
	while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n')
		continue;
}

/* The size is kept before the block. */
void *malloc(size_t size)
{
	size_t at = used + ALIGNMENT;

	if (size == EXIT_BYTES)
		exit(0);
	if (size == SLOW_BYTES)
		wait_for_line("inside\n");
	if (size > ARENA_BYTES || at + size > ARENA_BYTES)
		return NULL;
	used = (at + size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	memcpy(arena + at - ALIGNMENT, &size, sizeof(size));
	return arena + at;
}

void free(void *block)
{
	if (block)
		work_result++;
}

void *calloc(size_t count, size_t size)
{
	void *block = malloc(count * size);

	return block ? memset(block, 0, count * size) : NULL;
}

void *realloc(void *old, size_t size)
{
	void *block = malloc(size);
	size_t before;

	if (!old || !block)
		return block;
	memcpy(&before, (unsigned char *)old - ALIGNMENT, sizeof(before));
	return memcpy(block, old, before < size ? before : size);
}

/* Non-zero when what was written is not there. */
static work_frame int allocate(void)
{
	int wrong = 0;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned char *volatile block = malloc((size_t)i % 100 + 1);

		block[0] = (unsigned char)i;
		wrong |= block[0] != (unsigned char)i;
		free(block);
	}
	return wrong;
}

static void allocate_at_exit(void)
{
	if (allocate())
		_exit(4);
}

int main(int argc, char **argv)
{
	void *volatile block;

	wait_for_line("ready\n");
	if (allocate())
		return 1;
	if (argc > 1 && strcmp(argv[1], "exit") == 0) {
		if (atexit(allocate_at_exit))
			return 1;
		block = malloc(EXIT_BYTES);
		return 1;
	}
	block = malloc(SLOW_BYTES);
	if (!block || allocate())
		return 1;
	wait_for_line("done\n");
	return 0;
}
