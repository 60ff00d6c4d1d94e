/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/perf_map.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/symbol_text.h"

static void test_lines_become_symbols(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
		uint32_t skipped;
	} cases[] = {
		{"", "", 0},
		{"7f00 10 JS:~main /app/x.js:1:2\n", "7f00-7f10 JS:~main /app/x.js:1:2", 0},
		{"20 10 b\n10 10 a\n", "10-20 a|20-30 b", 0},
		{"0x10 0x10 py::f:/x.py\r\n", "10-20 py::f:/x.py", 0},
		{"ABCdef 1f upper\n", "abcdef-abce0e upper", 0},
		{"10\t10\ttabs\n", "10-20 tabs", 0},
		/* memory that is used again */
		{"10 20 old\n18 8 new\n", "10-18 old|18-20 new|20-30 old", 0},
		{"10 10 old\n10 10 new\n", "10-20 new", 0},
		{"10 10 old\n8 30 new\n", "8-38 new", 0},
		/* still being written */
		{"10 10 a\n20 10 b", "10-20 a", 0},
		/* junk */
		{"10 10\n10 10 \n 10 10 a\nx 10 a\n10 x a\n10 0 a\n\n-1 10 a\n", "", 8},
		{"10 10 a\ngarbage\n20 10 b\n", "10-20 a|20-30 b", 1},
		{"11111111111111111 10 a\n", "", 1},
		{"ffffffffffff 10 behind\nfffffffffff0 f last\n", "fffffffffff0-ffffffffffff last",
		 1},
		{"10 ffffffffffffffff a\n", "", 1},
		{"\xff\xfe\n\n", "", 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct symbol_table table = {0};
		uint32_t skipped = perf_map_parse(cases[i].text, strlen(cases[i].text), &table);

		assert_string_equal(symbol_text(&table), cases[i].expected);
		assert_int_equal(skipped, cases[i].skipped);
		symbol_table_fini(&table);
	}
}

static void test_zeros_and_endless_lines_do_no_harm(void **state)
{
	static char text[300000];
	struct symbol_table table = {0};

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "10 10 ", 6);
	text[sizeof(text) - 1] = '\n';
	assert_int_equal(perf_map_parse(text, sizeof(text), &table), 0);
	assert_int_equal(table.symbol_count, 1);
	assert_int_equal(strlen(table.text), SYMBOL_TABLE_MAX_NAME);
	symbol_table_fini(&table);

	assert_int_equal(perf_map_parse("10 10 a\0b\n20 10 \0\n", 18, &table), 0);
	assert_string_equal(symbol_text(&table), "10-20 a");
	symbol_table_fini(&table);
}

static void test_a_file_becomes_an_image_of_addresses(void **state)
{
	static const char text[] = "7f0000001000 100 function\njunk\n";
	_cleanup_close_ int file = memfd_create("perf-1.map", MFD_CLOEXEC);
	_cleanup_close_ int image_fd = -1;
	struct module_image image = {0};

	(void)state;
	assert_int_equal(write(file, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(perf_map_read(file, &image_fd), 0);
	assert_int_equal(module_image_open(&image, image_fd), 0);
	assert_int_equal(image.header->flags, MODULE_IS_PERF_MAP);
	assert_int_equal(image.header->skipped, 1);
	const struct module_symbol *symbol = module_image_find(&image, 0x7f00000010ff);
	assert_non_null(symbol);
	assert_string_equal(module_image_name(&image, symbol), "function");
	module_image_close(&image);

	assert_int_equal(ftruncate(file, (off_t)PERF_MAP_MAX_BYTES + 1), 0);
	int none = -1;
	assert_int_equal(perf_map_read(file, &none), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_become_symbols),
		cmocka_unit_test(test_zeros_and_endless_lines_do_no_harm),
		cmocka_unit_test(test_a_file_becomes_an_image_of_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
