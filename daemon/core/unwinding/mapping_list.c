/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/mapping_list.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

void mapping_list_fini(struct mapping_list *list)
{
	free(list->mappings);
	*list = (struct mapping_list){0};
}

const struct mapping *mapping_list_find(const struct mapping *mappings, size_t count, uint64_t pc)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (pc < mappings[middle].start)
			high = middle;
		else if (pc >= mappings[middle].end)
			low = middle + 1;
		else
			return &mappings[middle];
	}
	return NULL;
}

void mapping_list_clear(struct mapping_list *list)
{
	list->count = 0;
}

void mapping_list_copy(struct mapping_list *list, const struct mapping_list *other)
{
	list->mappings = memory_grow(list->mappings, &list->capacity, other->count + 1,
				     sizeof(*list->mappings));
	if (other->count)
		memcpy(list->mappings, other->mappings, other->count * sizeof(*list->mappings));
	list->count = other->count;
}

/* The first mapping that ends behind address. */
static size_t find_behind(const struct mapping_list *list, uint64_t address)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->mappings[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Replace count mappings from first on by the new ones. */
static void splice(struct mapping_list *list, size_t first, size_t count, const struct mapping *new,
		   size_t new_count)
{
	size_t behind = list->count - first - count;

	list->mappings = memory_grow(list->mappings, &list->capacity,
				     list->count - count + new_count, sizeof(*list->mappings));
	memmove(&list->mappings[first + new_count], &list->mappings[first + count],
		behind * sizeof(*list->mappings));
	memcpy(&list->mappings[first], new, new_count * sizeof(*new));
	list->count += new_count - count;
}

void mapping_list_add(struct mapping_list *list, const struct mapping *mapping)
{
	struct mapping parts[3];
	size_t count = 0, first, last;

	if (mapping->start >= mapping->end || list->count >= MAPPING_LIST_MAX)
		return;
	first = find_behind(list, mapping->start);
	for (last = first; last < list->count; last++)
		if (list->mappings[last].start >= mapping->end)
			break;
	/* What is left of the first and the last one that it covers, before and behind it. */
	if (first < last && list->mappings[first].start < mapping->start) {
		parts[count] = list->mappings[first];
		parts[count++].end = mapping->start;
	}
	parts[count++] = *mapping;
	if (first < last && list->mappings[last - 1].end > mapping->end) {
		struct mapping *rest = &parts[count++];

		*rest = list->mappings[last - 1];
		rest->offset += mapping->end - rest->start;
		rest->start = mapping->end;
	}
	splice(list, first, last - first, parts, count);
}
