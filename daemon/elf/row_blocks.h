/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs the rows of a row table as they are searched: a block of cells for each page, three bytes a
 * row (bpf/unwind_table.h). The last step before an image is written.
 */
#ifndef FLAME_DAEMON_ELF_ROW_BLOCKS_H
#define FLAME_DAEMON_ELF_ROW_BLOCKS_H

#include <stddef.h>

#include "bpf/unwind_table.h"

struct row_table;

/* Zero-initialised it is empty. */
struct row_blocks {
	struct unwind_page *pages;
	size_t page_count;
	struct unwind_cell *cells;
	size_t cell_count;
};

/* Pack all rows of table into blocks, which are empty. */
void row_blocks_make(struct row_blocks *blocks, const struct row_table *table);

/* Release what the blocks hold. */
void row_blocks_fini(struct row_blocks *blocks);

#endif
