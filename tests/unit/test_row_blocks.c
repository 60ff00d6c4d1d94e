/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/row_blocks.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/elf/row_table.h"
#include "tests/unit/cmocka_all.h"

/* What the rows say at an offset, found the slow way. */
static uint32_t find_plainly(const struct row_table *table, const struct row_page *page,
			     uint32_t offset)
{
	uint32_t rule = UNWIND_RULE_NONE;

	for (uint32_t i = 0; i < page->count; i++)
		if (table->rows[page->first + i].offset <= offset)
			rule = table->rows[page->first + i].rule;
	return rule;
}

/* Every offset of each page leads to the same rule in blocks as in rows. */
static void check(const struct row_table *table)
{
	_cleanup_(row_blocks_fini) struct row_blocks blocks = {0};

	row_blocks_make(&blocks, table);
	assert_int_equal(blocks.page_count, table->page_count);
	for (size_t i = 0; i < blocks.page_count; i++) {
		const struct unwind_page *page = &blocks.pages[i];
		const uint16_t *words = blocks.cells[page->first].words;

		assert_int_equal(page->number, table->pages[i].number);
		for (uint32_t offset = 0; offset < UNWIND_PAGE_BYTES; offset += 1 + offset % 3)
			if (unwind_block_find(words, UINT32_MAX, 0, page->count, offset) !=
			    find_plainly(table, &table->pages[i], offset))
				fail_msg("page %zu: another rule at %#x", i, offset);
	}
}

static void test_rows_of_any_density_are_found(void **state)
{
	static const struct {
		uint32_t first;
		uint32_t step;
		uint32_t count;
	} cases[] = {
		{0, 1, 1},         {0xffff, 1, 1}, {0, 1, 300},   {0x3f0, 1, 40},
		{0x3ff, 0x400, 2}, {0, 0x400, 64}, {0x3ff, 1, 2}, {0x1000, 1500, 40},
		{7, 97, 600},      {0, 16, 4096},  {0, 1, 3000},  {0xfc00, 1, 1024},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct unwind_row *rows = memory_new(cases[i].count * sizeof(*rows));
		struct row_page pages[] = {{7, 0, cases[i].count}, {9, 0, cases[i].count}};
		const struct row_table table = {.rows = rows,
						.row_count = cases[i].count,
						.pages = pages,
						.page_count = ARRAY_SIZE(pages)};

		for (uint32_t row = 0; row < cases[i].count; row++)
			rows[row] = (struct unwind_row){
				.offset = (uint16_t)(cases[i].first + row * cases[i].step),
				/* no rule, the last one that there can be, and some in between */
				.rule = (uint16_t)((row * 5461) & (UNWIND_MAX_RULES - 1)),
			};
		check(&table);
		free(rows);
	}
}

static void test_a_row_takes_three_bytes(void **state)
{
	(void)state;
	assert_int_equal(unwind_block_cells(1), (UNWIND_PARTS + 2 + 7) / 8);
	assert_int_equal(unwind_block_cells(1 << 15), (UNWIND_PARTS + (3 << 14)) / 8);
	assert_true(unwind_block_cells(UNWIND_MAX_ROWS) <= UNWIND_SHARD_CELLS);
}

static void test_no_rows_are_no_blocks(void **state)
{
	const struct row_table table = {0};

	(void)state;
	check(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_of_any_density_are_found),
		cmocka_unit_test(test_a_row_takes_three_bytes),
		cmocka_unit_test(test_no_rows_are_no_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
