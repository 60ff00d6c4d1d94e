/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/extents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void extents_fini(struct extents *extents)
{
	free(extents->free_runs);
	*extents = (struct extents){0};
}

static void remove_run(struct extents *extents, size_t index)
{
	extents->run_count--;
	memmove(&extents->free_runs[index], &extents->free_runs[index + 1],
		(extents->run_count - index) * sizeof(struct extent));
}

int extents_take(struct extents *extents, uint32_t count, uint32_t *first)
{
	for (size_t i = 0; i < extents->run_count; i++) {
		struct extent *run = &extents->free_runs[i];

		if (run->count < count)
			continue;
		*first = run->first;
		run->first += count;
		run->count -= count;
		extents->free_count -= count;
		if (!run->count)
			remove_run(extents, i);
		return 0;
	}
	return -ENOSPC;
}

static void insert_run(struct extents *extents, size_t index, uint32_t first, uint32_t count)
{
	extents->free_runs = memory_grow(extents->free_runs, &extents->run_capacity,
					 extents->run_count + 1, sizeof(struct extent));
	memmove(&extents->free_runs[index + 1], &extents->free_runs[index],
		(extents->run_count - index) * sizeof(struct extent));
	extents->free_runs[index] = (struct extent){first, count};
	extents->run_count++;
}

void extents_give(struct extents *extents, uint32_t first, uint32_t count)
{
	struct extent *runs = extents->free_runs;
	size_t index = 0;

	while (index < extents->run_count && runs[index].first < first)
		index++;
	extents->free_count += count;

	int joins_before = index > 0 && runs[index - 1].first + runs[index - 1].count == first;
	int joins_after = index < extents->run_count && first + count == runs[index].first;

	if (joins_before && joins_after) {
		runs[index - 1].count += count + runs[index].count;
		remove_run(extents, index);
	} else if (joins_before) {
		runs[index - 1].count += count;
	} else if (joins_after) {
		runs[index].first = first;
		runs[index].count += count;
	} else {
		insert_run(extents, index, first, count);
	}
}
