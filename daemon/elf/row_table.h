/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collects unwind rules in order of file offset into pages of rows: equal rules are stored once, a
 * rule that does not change makes no row, and each page begins with the rule that is in force at its
 * start. What an image holds is made of it by row_blocks.h.
 */
#ifndef FLAME_DAEMON_ELF_ROW_TABLE_H
#define FLAME_DAEMON_ELF_ROW_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_table.h"
#include "common/hashmap.h"

#define ROW_TABLE_MAX_ROWS   (UINT32_C(16) << 20)
#define ROW_TABLE_MAX_OFFSET (UINT64_C(4) << 30) /* in the file, bytes */

/* From offset on, which is counted from the start of the page, a rule is in force. */
struct unwind_row {
	uint16_t offset;
	uint16_t rule;
};

/* The rows of one page. */
struct row_page {
	uint32_t number; /* file offset >> UNWIND_PAGE_BITS */
	uint32_t first;  /* row */
	uint32_t count;  /* rows, at least one and UNWIND_MAX_ROWS at most */
};

/* Initialise with row_table_init(). */
struct row_table {
	struct row_page *pages;
	size_t page_count;
	size_t page_capacity;
	struct unwind_row *rows;
	size_t row_count;
	size_t row_capacity;
	struct unwind_rule *rules;
	size_t rule_count;
	size_t rule_capacity;
	struct hashmap rule_index;
	uint64_t reached; /* offset of the last change */
	uint16_t current; /* rule in force from there on */
	int is_cut;       /* a limit was met */
};

/* Begin with the rules every table has, and none in force. */
void row_table_init(struct row_table *table);

/* Release what the table holds. */
void row_table_fini(struct row_table *table);

/*
 * From offset on rule is in force; NULL: none is. Offsets must not descend; of two rules at the
 * same offset the later one counts.
 */
void row_table_add(struct row_table *table, uint64_t offset, const struct unwind_rule *rule);

#endif
