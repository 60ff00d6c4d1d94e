/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include <stdlib.h>

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

static const struct table_column columns[] = {
	{"ID", TABLE_RIGHT, 0},
	{"NAME", TABLE_LEFT, 4},
	{"STATE", TABLE_LEFT, 0},
};

/* Print two rows at a width. Owned (free). */
static char *print(size_t width)
{
	struct table table;
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	table_init(&table, columns, ARRAY_SIZE(columns));
	table_add(&table, "%d", 7);
	table_add(&table, "%s", "redis-server");
	table_add(&table, "running");
	table_add(&table, "%d", 123);
	table_add(&table, "\033[31mred");
	table_add(&table, "exited");
	table_print(&table, width, file);
	table_fini(&table);
	fclose(file);
	return text;
}

static void test_columns_are_as_wide_as_what_is_in_them(void **state)
{
	_cleanup_free_ char *text = print(0);

	(void)state;
	assert_string_equal(text, " ID  NAME          STATE\n"
				  "  7  redis-server  running\n"
				  "123  ?[31mred      exited\n");
}

static void test_columns_that_may_be_cut_make_it_fit(void **state)
{
	_cleanup_free_ char *text = print(21);

	(void)state;
	assert_string_equal(text, " ID  NAME     STATE\n"
				  "  7  redis-\xe2\x80\xa6  running\n"
				  "123  ?[31mr\xe2\x80\xa6  exited\n");
}

static void test_nothing_is_cut_below_its_least(void **state)
{
	_cleanup_free_ char *text = print(5);

	(void)state;
	assert_string_equal(text, " ID  NAME  STATE\n"
				  "  7  red\xe2\x80\xa6  running\n"
				  "123  ?[3\xe2\x80\xa6  exited\n");
}

static void test_an_empty_table_is_its_titles(void **state)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);
	struct table table;

	(void)state;
	table_init(&table, columns, ARRAY_SIZE(columns));
	table_print(&table, 80, file);
	table_fini(&table);
	fclose(file);
	assert_string_equal(text, "ID  NAME  STATE\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns_are_as_wide_as_what_is_in_them),
		cmocka_unit_test(test_columns_that_may_be_cut_make_it_fit),
		cmocka_unit_test(test_nothing_is_cut_below_its_least),
		cmocka_unit_test(test_an_empty_table_is_its_titles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
