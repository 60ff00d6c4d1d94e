/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/row_blocks.h"

#include <stdlib.h>

#include "common/memory.h"
#include "daemon/elf/row_table.h"

static void pack_page(uint16_t *words, const struct unwind_row *rows, uint32_t count)
{
	uint16_t *low = words + UNWIND_PARTS;
	uint16_t *high = low + count;
	uint32_t row = 0;

	for (uint32_t part = 0; part < UNWIND_PARTS; part++) {
		for (; row < count && (uint32_t)rows[row].offset >> UNWIND_PART_BITS == part;
		     row++) {
			uint32_t rule = rows[row].rule;

			low[row] = (uint16_t)(rows[row].offset << UNWIND_ROW_LOW_BITS |
					      (rule & UNWIND_ROW_LOW_MASK));
			high[row / 2] |= (uint16_t)(rule >> UNWIND_ROW_LOW_BITS << (row & 1) * 8);
		}
		words[part] = (uint16_t)row;
	}
}

void row_blocks_make(struct row_blocks *blocks, const struct row_table *table)
{
	size_t cell = 0;

	for (size_t i = 0; i < table->page_count; i++)
		blocks->cell_count += unwind_block_cells(table->pages[i].count);
	blocks->cells = memory_new(blocks->cell_count * sizeof(*blocks->cells));
	blocks->pages = memory_new(table->page_count * sizeof(*blocks->pages));
	blocks->page_count = table->page_count;
	for (size_t i = 0; i < table->page_count; i++) {
		const struct row_page *page = &table->pages[i];

		blocks->pages[i] = (struct unwind_page){
			.number = page->number,
			.first = (uint32_t)cell,
			.count = page->count,
		};
		pack_page(blocks->cells[cell].words, &table->rows[page->first], page->count);
		cell += unwind_block_cells(page->count);
	}
}

void row_blocks_fini(struct row_blocks *blocks)
{
	free(blocks->pages);
	free(blocks->cells);
	*blocks = (struct row_blocks){0};
}
