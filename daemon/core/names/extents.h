/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which parts of an array are free: runs of elements, given out first fit and joined again when
 * they come back. Zero-initialised is an array of no elements.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_EXTENTS_H
#define FLAME_DAEMON_CORE_NAMES_EXTENTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

struct extent {
	uint32_t first;
	uint32_t count;
};

/* The free runs, in order, none touching the next. */
struct extents {
	struct extent *free_runs;
	size_t run_count, run_capacity;
	uint32_t free_count; /* elements in all of them */
};

/* Release the memory. */
void extents_fini(struct extents *extents);

/* Take count elements (more than 0) in a row. Errors: -ENOSPC. */
must_check int extents_take(struct extents *extents, uint32_t count, uint32_t *first);

/* Give count elements back, or for the first time. They must not be free already. */
void extents_give(struct extents *extents, uint32_t first, uint32_t count);

#endif
