/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of text for people: columns as wide as what is in them, and where the terminal is too
 * narrow, those that may be cut are cut. Text is cleaned for terminals when it is added.
 */
#ifndef FLAME_CLIENT_TABLE_H
#define FLAME_CLIENT_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "common/memory.h"

#define TABLE_MAX_COLUMNS 12

enum table_align {
	TABLE_LEFT,
	TABLE_RIGHT,
};

struct table_column {
	const char *title;
	enum table_align align;
	size_t least; /* columns that it may be cut to; 0: it is never cut */
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t column_count;
	char **cells; /* row by row */
	size_t cell_count;
	size_t cell_capacity;
};

/* Initialise with columns, at most TABLE_MAX_COLUMNS, which are borrowed. */
void table_init(struct table *table, const struct table_column *columns, size_t count);
void table_fini(struct table *table);

/* Add the next cell of the current row, from left to right. */
void table_add(struct table *table, const char *format, ...) format_printf(2, 3);

/*
 * Print the titles and the rows, no wider than columns (0: as wide as it gets). Cells at the end
 * of a line are not padded.
 */
void table_print(const struct table *table, size_t columns, FILE *file);

#endif
