/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which compilation unit, and which function in it, an address lies in. Made from the ranges that
 * the units themselves tell, because many compilers write no .debug_aranges; the functions of a
 * unit are collected when the first address in it is asked.
 */
#ifndef FLAME_DAEMON_ELF_LINE_INDEX_H
#define FLAME_DAEMON_ELF_LINE_INDEX_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define LINE_INDEX_MAX_RANGES (UINT32_C(4) << 20) /* of units, and of functions of all units */

/* What covers [start, end): number of a unit, or a function. */
struct line_range {
	uint64_t start;
	uint64_t end;
	uint32_t number;
};

struct line_ranges {
	struct line_range *ranges; /* by start */
	size_t count;
	size_t capacity;
};

struct line_unit {
	Dwarf_Die die;
	struct line_ranges functions; /* their number: in dies */
	Dwarf_Die *dies;
	size_t die_count;
	size_t die_capacity;
	int is_read;
};

/* Initialise with zeros. */
struct line_index {
	struct line_unit *units;
	size_t unit_count;
	size_t unit_capacity;
	struct line_ranges ranges; /* their number: in units */
	size_t range_count;        /* all of them, functions included: what is limited */
	uint64_t visits;           /* entries that were looked at */
	uint64_t max_visits;
};

/* Collect the units of debug. Errors: -ENODATA there are none that cover code. */
must_check int line_index_init(struct line_index *index, Dwarf *debug, uint64_t max_visits);

/* Release what the index holds. */
void line_index_fini(struct line_index *index);

/* Return the unit that address lies in, or NULL. Borrowed. */
struct line_unit *line_index_find_unit(struct line_index *index, uint64_t address);

/* Return the function that address lies in, or NULL. Borrowed. */
Dwarf_Die *line_index_find_function(struct line_index *index, struct line_unit *unit,
				    uint64_t address);

/* Count one more visit. Returns 0 when there were too many and the work has to stop. */
static inline int line_index_visit(struct line_index *index)
{
	return ++index->visits <= index->max_visits;
}

#endif
