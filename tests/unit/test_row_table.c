/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/row_table.h"

#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static struct unwind_rule rule_number(int number)
{
	return (struct unwind_rule){
		.cfa = UNWIND_CFA_REGISTER | UNWIND_RSP << 4,
		.cfa_offset = 8 * number,
		.ra = UNWIND_AT_CFA,
		.ra_offset = -8,
	};
}

/* All pages as text: "number: offset=cfa_offset …". */
static const char *show(const struct row_table *table)
{
	static char text[4096];
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < table->page_count; i++) {
		const struct row_page *page = &table->pages[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%x:", i ? " " : "",
					 page->number);
		for (uint32_t j = 0; j < page->count; j++) {
			const struct unwind_row *row = &table->rows[page->first + j];

			used += (size_t)snprintf(text + used, sizeof(text) - used, " %x=%d",
						 row->offset,
						 table->rules[row->rule].cfa_offset / 8);
		}
	}
	return text;
}

static void test_rules_become_pages_of_rows(void **state)
{
	static const struct {
		const char *expected;
		struct {
			uint64_t offset;
			int rule; /* 0: none, -1: the end of the case */
		} steps[8];
	} cases[] = {
		{"", {{0, -1}}},
		{"", {{0x100, 0}, {0, -1}}},
		{"0: 100=1 200=0", {{0x100, 1}, {0x200, 0}, {0, -1}}},
		{"0: 0=1 10=2 20=0", {{0, 1}, {0x10, 2}, {0x20, 0}, {0, -1}}},
		/* no row for what does not change */
		{"0: 0=1 20=0", {{0, 1}, {0x10, 1}, {0x20, 0}, {0, -1}}},
		/* the last of several at one place counts */
		{"0: 0=1 10=3 20=0", {{0, 1}, {0x10, 2}, {0x10, 3}, {0x20, 0}, {0, -1}}},
		/* carried over to the pages it reaches into, and to no other */
		{"0: fff0=1 1: 0=1 2: 0=1 10=0", {{0xfff0, 1}, {0x20010, 0}, {0, -1}}},
		{"0: fff0=1 1: 0=1", {{0xfff0, 1}, {0x20000, 0}, {0, -1}}},
		{"0: fff0=1 1: 0=2 8=0", {{0xfff0, 1}, {0x10000, 2}, {0x10008, 0}, {0, -1}}},
		/* pages without any rule are left out */
		{"0: 0=1 8=0 5: 10=2 18=0", {{0, 1}, {8, 0}, {0x50010, 2}, {0x50018, 0}, {0, -1}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct row_table table;

		row_table_init(&table);
		for (size_t j = 0; cases[i].steps[j].rule >= 0; j++) {
			struct unwind_rule rule = rule_number(cases[i].steps[j].rule);

			row_table_add(&table, cases[i].steps[j].offset,
				      cases[i].steps[j].rule ? &rule : NULL);
		}
		assert_string_equal(show(&table), cases[i].expected);
		assert_false(table.is_cut);
		row_table_fini(&table);
	}
}

static void test_equal_rules_are_stored_once_and_limited(void **state)
{
	struct row_table table;

	(void)state;
	row_table_init(&table);
	for (int i = 0; i < 200000; i++) {
		struct unwind_rule rule = rule_number(1 + i % 1000);

		row_table_add(&table, 2 * (uint64_t)i, &rule);
	}
	assert_int_equal(table.rule_count, UNWIND_RULE_FIRST + 1000);
	assert_int_equal(table.row_count, 200000);
	for (int i = 0; i < 70000; i++) {
		struct unwind_rule rule = rule_number(2000 + i);

		row_table_add(&table, 400000 + 2 * (uint64_t)i, &rule);
	}
	assert_int_equal(table.rule_count, UNWIND_MAX_RULES);
	assert_true(table.is_cut);
	assert_int_equal(table.rows[table.row_count - 1].rule, UNWIND_RULE_UNSUPPORTED);
	row_table_fini(&table);
}

static void test_files_over_the_limit_are_cut(void **state)
{
	const struct unwind_rule rule = rule_number(1);
	struct row_table table;

	(void)state;
	row_table_init(&table);
	row_table_add(&table, ROW_TABLE_MAX_OFFSET - 16, &rule);
	row_table_add(&table, UINT64_MAX - 5, NULL);
	assert_false(table.is_cut);
	assert_string_equal(show(&table), "ffff: fff0=1");
	row_table_add(&table, UINT64_MAX - 5, &rule);
	assert_true(table.is_cut);
	assert_string_equal(show(&table), "ffff: fff0=1");
	row_table_fini(&table);
}

static void test_a_rule_a_byte_ends_before_the_page_does(void **state)
{
	struct row_table table;

	(void)state;
	row_table_init(&table);
	for (int i = 0; i < 70000; i++) {
		struct unwind_rule rule = rule_number(1 + i % 2);

		row_table_add(&table, (uint64_t)i, &rule);
	}
	assert_true(table.is_cut);
	assert_int_equal(table.page_count, 2);
	assert_int_equal(table.pages[0].count, UNWIND_MAX_ROWS);
	assert_int_equal(table.rows[UNWIND_MAX_ROWS - 1].rule, UNWIND_RULE_NONE);
	assert_int_equal(table.rows[table.pages[1].first].offset, 0);
	assert_int_not_equal(table.rows[table.pages[1].first].rule, UNWIND_RULE_NONE);
	row_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules_become_pages_of_rows),
		cmocka_unit_test(test_equal_rules_are_stored_once_and_limited),
		cmocka_unit_test(test_a_rule_a_byte_ends_before_the_page_does),
		cmocka_unit_test(test_files_over_the_limit_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
