/* SPDX-License-Identifier: Apache-2.0 */
#include "common/utf8.h"

#include <string.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static void test_characters_of_each_length_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t code_point;
	} cases[] = {
		{"a", 'a'},
		{"\xc3\xa9", 0xe9},
		{"\xe2\x82\xac", 0x20ac},
		{"\xf0\x9f\x94\xa5", 0x1f525},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = strlen(cases[i].text);
		uint32_t code_point = 0;

		assert_int_equal(utf8_read(cases[i].text, length, &code_point), length);
		assert_int_equal(code_point, cases[i].code_point);
		if (length > 1)
			assert_int_equal(utf8_read(cases[i].text, length - 1, &code_point), 0);
	}
}

static void test_bytes_that_are_no_character_are_refused(void **state)
{
	static const char *const cases[] = {
		"\x80",         "\xc0\x80",     "\xc1\xbf",         "\xe0\x80\x80",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80",
		"\xff",         "\xc3(",
	};
	uint32_t code_point;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(utf8_read(cases[i], strlen(cases[i]), &code_point), 0);
	assert_int_equal(utf8_read("", 0, &code_point), 0);
	assert_int_equal(utf8_valid_length("ab\xc3\xa9\xff", 5), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_of_each_length_are_read),
		cmocka_unit_test(test_bytes_that_are_no_character_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
