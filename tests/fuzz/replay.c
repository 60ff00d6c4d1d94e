/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay MUTATIONS FILE...: feed a fuzz target with each file, with its beginnings, and with that
 * many mutations of it, always the same ones. So the corpus is tested wherever the unit tests run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"

#define MAX_INPUT  (1u << 20) /* bytes of a file that are used */
#define BEGINNINGS 64

static uint32_t chance(uint32_t limit)
{
	static uint64_t state = 1;

	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33) % limit;
}

/* A copy of its own lets the address sanitizer see the first byte read behind the end. */
static void feed(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

/* Change a few bytes, or leave some out; returns the new size. */
static size_t mutate(uint8_t *data, size_t size)
{
	static const uint8_t telling[] = {0,   1,   0x7f, 0x80, 0xff, '"', '\\',
					  '{', '[', ';',  ' ',  '\n', '9', '-'};

	for (uint32_t changes = 1 + chance(8); changes > 0 && size > 0; changes--) {
		uint32_t where = chance((uint32_t)size);

		switch (chance(4)) {
		case 0:
			data[where] ^= (uint8_t)(1u << chance(8));
			break;
		case 1:
			data[where] = telling[chance(sizeof(telling))];
			break;
		case 2:
			data[where] = (uint8_t)chance(256);
			break;
		default:
			memmove(data + where, data + where + 1, size - where - 1);
			size--;
		}
	}
	return size;
}

static int replay(const char *path, unsigned long mutations)
{
	static uint8_t original[MAX_INPUT], data[MAX_INPUT];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(original, 1, sizeof(original), file);
	fclose(file);
	feed(original, size);
	for (size_t i = 0; i < BEGINNINGS; i++)
		feed(original, size * i / BEGINNINGS);
	for (unsigned long i = 0; i < mutations; i++) {
		memcpy(data, original, size);
		feed(data, mutate(data, size));
	}
	return 0;
}

int main(int argc, char **argv)
{
	unsigned long mutations = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

	for (int i = 2; i < argc; i++) {
		if (replay(argv[i], mutations))
			return 1;
	}
	printf("%d files, each with %lu mutations\n", argc - 2, mutations);
	return argc > 2 ? 0 : 1;
}
