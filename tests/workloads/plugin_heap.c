/* SPDX-License-Identifier: Apache-2.0 */
/* The library that unloading loads: it allocates from the C library and from an allocator of its own. */
#include <stdlib.h>
#include <string.h>

#include "tests/workloads/work.h"

#define ARENA_BYTES  (1 << 16)
#define BLOCK_BYTES  700
#define OTHER_BYTES  900
#define BLOCK_ROUNDS 16

int plugin_run(void);

static _Alignas(16) unsigned char arena[ARENA_BYTES];
static size_t used;

/* Bound to within the library (-Bsymbolic): the program keeps its own. */
void *malloc(size_t size)
{
	size_t at = used;

	used = (used + size + 15) / 16 * 16;
	return used <= ARENA_BYTES ? arena + at : NULL;
}

void free(void *block)
{
	if (block)
		work_result++;
}

work_frame int plugin_run(void)
{
	char *text = NULL;
	int wrong = 0;

	for (int i = 0; i < BLOCK_ROUNDS; i++) {
		unsigned char *block = malloc(BLOCK_BYTES);

		memset(block, i, BLOCK_BYTES);
		wrong |= block[BLOCK_BYTES - 1] != i;
		free(block);
		text = realloc(text, (size_t)OTHER_BYTES + (size_t)i);
		text[0] = 'a';
	}
	/* Freed by whom it was allocated. */
	return wrong || !realloc(text, 1);
}
