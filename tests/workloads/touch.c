/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Touches memory for the first time at a steady pace: three times as much in touch_much() as in
 * touch_little(), and, if asked for, whole huge pages in touch_huge().
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE_BYTES  4096u
#define HUGE_BYTES  (UINT64_C(2) << 20)
#define ROUND_PAGES 16u

static char *map(size_t bytes)
{
	char *memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

static void touch(char *memory, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		memory[i * PAGE_BYTES] = 1;
}

__attribute__((noinline)) static void touch_much(char *memory)
{
	touch(memory, 3 * ROUND_PAGES);
}

__attribute__((noinline)) static void touch_little(char *memory)
{
	touch(memory, ROUND_PAGES);
}

/* A huge page, where the kernel has one; else as many small ones. */
__attribute__((noinline)) static void touch_huge(void)
{
	char *memory = map(2 * HUGE_BYTES);
	char *start = (char *)(((uintptr_t)memory + HUGE_BYTES - 1) & ~(uintptr_t)(HUGE_BYTES - 1));

	if (madvise(start, HUGE_BYTES, MADV_HUGEPAGE))
		exit(1);
	touch(start, HUGE_BYTES / PAGE_BYTES);
	munmap(memory, 2 * HUGE_BYTES);
}

/* touch [huge]: runs until it is ended */
int main(int argc, char **argv)
{
	int is_huge = argc > 1 && strcmp(argv[1], "huge") == 0;
	struct timespec pause = {.tv_nsec = 10000000};
	size_t round_bytes = 4 * ROUND_PAGES * PAGE_BYTES;

	puts("ready");
	fflush(stdout);
	for (;;) {
		if (is_huge) {
			touch_huge();
		} else {
			char *memory = map(round_bytes);

			touch_much(memory);
			touch_little(memory + 3 * ROUND_PAGES * PAGE_BYTES);
			munmap(memory, round_bytes);
		}
		nanosleep(&pause, NULL);
	}
}
