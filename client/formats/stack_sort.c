/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/stack_sort.h"

#include <string.h>

/* Up to this many are sorted by insertion. */
#define SMALL_COUNT 24
#define LARGE_COUNT 4096
#define SMALL_BITS  7 /* of a key that are sorted by in one pass */
#define LARGE_BITS  11

static void sort_by_insertion(struct stack_entry *entries, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++) {
		struct stack_entry entry = entries[i];
		uint32_t at = i;

		for (; at > 0 && entries[at - 1].key > entry.key; at--)
			entries[at] = entries[at - 1];
		entries[at] = entry;
	}
}

/* One stable pass over so many bits from shift on. */
static void sort_digit(const struct stack_entry *from, struct stack_entry *to, uint32_t count,
		       int shift, int bits)
{
	uint32_t starts[1u << LARGE_BITS];
	uint32_t digits = 1u << bits, sum = 0;

	memset(starts, 0, digits * sizeof(*starts));
	for (uint32_t i = 0; i < count; i++)
		starts[(from[i].key >> shift) & (digits - 1)]++;
	for (uint32_t i = 0; i < digits; i++) {
		uint32_t size = starts[i];

		starts[i] = sum;
		sum += size;
	}
	for (uint32_t i = 0; i < count; i++)
		to[starts[(from[i].key >> shift) & (digits - 1)]++] = from[i];
}

void stack_sort(struct stack_entry *entries, struct stack_entry *scratch, uint32_t count,
		uint32_t key_limit)
{
	int bits = count < LARGE_COUNT ? SMALL_BITS : LARGE_BITS;

	if (count <= SMALL_COUNT) {
		sort_by_insertion(entries, count);
		return;
	}
	for (int shift = 0; shift < 32 && key_limit >> shift; shift += bits) {
		sort_digit(entries, scratch, count, shift, bits);
		memcpy(entries, scratch, count * sizeof(*entries));
	}
}
