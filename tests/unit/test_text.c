/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static void test_bytes_that_are_no_character_are_replaced(void **state)
{
	static const struct {
		const char *text;
		const char *clean;
	} cases[] = {
		{"plain", "plain"},
		{"na\xc3\xafve", "na\xc3\xafve"},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"cut\xe2\x80", "cut\xef\xbf\xbd\xef\xbf\xbd"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *copy = text_copy_utf8(cases[i].text, strlen(cases[i].text));

		assert_string_equal(copy, cases[i].clean);
	}
}

static void test_terminals_get_no_control_characters(void **state)
{
	static const struct {
		const char *text;
		const char *clean;
	} cases[] = {
		{"std::vector<int>", "std::vector<int>"},
		{"\x1b]0;owned\x07", "?]0;owned?"},
		{"\xc2\x9b"
		 "31m",
		 "?31m"}, /* the one-character CSI */
		{"a\xe2\x80\xae"
		 "b",
		 "a?b"},                 /* right-to-left override */
		{"\xe2\x80\x8bx", "?x"}, /* zero width space */
		{"line\nline\ttab", "line?line?tab"},
		{"\xe6\xbc\xa2", "\xe6\xbc\xa2"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *copy = text_copy_printable(cases[i].text);

		assert_string_equal(copy, cases[i].clean);
	}
}

static void test_text_fits_its_column(void **state)
{
	static const struct {
		const char *text;
		size_t columns;
		int keep_end;
		const char *cut;
	} cases[] = {
		{"abcdef", 6, 0, "abcdef"},
		{"abcdef", 4, 0, "abc\xe2\x80\xa6"},
		{"abcdef", 4, 1,
		 "\xe2\x80\xa6"
		 "def"},
		{"abcdef", 1, 0, "\xe2\x80\xa6"},
		{"abcdef", 0, 1, ""},
		{"\xe6\xbc\xa2\xe5\xad\x97", 4, 0, "\xe6\xbc\xa2\xe5\xad\x97"},
		{"\xe6\xbc\xa2\xe5\xad\x97", 3, 0, "\xe6\xbc\xa2\xe2\x80\xa6"},
		{"\xe6\xbc\xa2\xe5\xad\x97", 2, 0, "\xe2\x80\xa6"},
		{"\xe6\xbc\xa2\xe5\xad\x97", 3, 1, "\xe2\x80\xa6\xe5\xad\x97"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *copy =
			text_copy_columns(cases[i].text, cases[i].columns, cases[i].keep_end);

		assert_string_equal(copy, cases[i].cut);
		assert_true(text_columns(copy) <= cases[i].columns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_that_are_no_character_are_replaced),
		cmocka_unit_test(test_terminals_get_no_control_characters),
		cmocka_unit_test(test_text_fits_its_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
