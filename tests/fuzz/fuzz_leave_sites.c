/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/elf/leave_sites.h"
#include "tests/fuzz/target.h"

#define FUNCTION_BYTES 64 /* the input is cut into functions of this size */

struct input {
	const uint8_t *data;
	size_t size;
};

static int find(void *context, uint64_t vaddr, struct code_extent *range)
{
	const struct input *input = context;
	uint64_t left;

	if (vaddr >= input->size)
		return -ENOENT;
	range->vaddr = vaddr - vaddr % FUNCTION_BYTES;
	left = input->size - range->vaddr;
	range->size = left < FUNCTION_BYTES ? left : FUNCTION_BYTES;
	return 0;
}

static int read_code(void *context, const struct code_extent *range, uint8_t *bytes)
{
	const struct input *input = context;

	if (range->vaddr > input->size || range->size > input->size - range->vaddr)
		return -EIO;
	memcpy(bytes, input->data + range->vaddr, range->size);
	return 0;
}

static int resolve(void *context, uint64_t slot, uint64_t *vaddr)
{
	const struct input *input = context;

	if (slot >= input->size)
		return -ENOENT;
	*vaddr = slot / 2;
	return 0;
}

/* Whatever the code: what is found lies in it, in order, and is a return, perhaps behind prefixes. */
static void check(const struct input *input, const struct leave_sites *sites)
{
	for (size_t i = 0; i < sites->count; i++) {
		uint64_t at = sites->vaddrs[i], end = at + 15;

		if (at >= input->size || (i && at <= sites->vaddrs[i - 1]))
			abort();
		while (at < end && at < input->size && input->data[at] != 0xc3 &&
		       input->data[at] != 0xc2)
			at++;
		if (at == end || at >= input->size)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t known[] = {8, 72, 136};
	struct input input = {data, size};
	struct code_source source = {&input, find, read_code, resolve, known, 0};
	struct leave_sites sites = {0};

	for (int i = 0; i < 2; i++) {
		if (!leave_sites_add(&sites, &source, 0))
			check(&input, &sites);
		source.known_count = ARRAY_SIZE(known);
	}
	return 0;
}
