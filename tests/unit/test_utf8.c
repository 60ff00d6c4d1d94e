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

static void test_text_becomes_printable_utf8(void **state)
{
	static const struct {
		const char *text;
		const char *clean;
	} cases[] = {
		{"", ""},
		{"main", "main"},
		{"größe 目 😀", "größe 目 😀"},
		{"\xe4rger", UTF8_REPLACEMENT "rger"},  /* Latin-1 */
		{"a\nb\tc\x7f\x1b[31m", "a?b?c??[31m"}, /* C0, DEL, escape */
		{"\xc2\x9b[m", "?[m"},                  /* C1: an escape for some terminals */
		{"\xc2\xa0", "\xc2\xa0"},               /* no-break space is text */
		{"\xc0\xaf", UTF8_REPLACEMENT UTF8_REPLACEMENT},                      /* overlong */
		{"\xe0\x80\xaf", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT}, /* overlong */
		{"\xed\xa0\x80",
		 UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT}, /* surrogate */
		{"\xf4\x90\x80\x80", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT
					     UTF8_REPLACEMENT},       /* above U+10FFFF */
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},             /* U+10FFFF */
		{"x\xe2\x82", "x" UTF8_REPLACEMENT UTF8_REPLACEMENT}, /* cut at the end */
		{"\xe2\x82\xff",
		 UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT}, /* cut in the middle */
		{"\xf0\x9f\x98z", UTF8_REPLACEMENT UTF8_REPLACEMENT UTF8_REPLACEMENT "z"},
		{"\xff\xfe", UTF8_REPLACEMENT UTF8_REPLACEMENT},
		{"\x80", UTF8_REPLACEMENT},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char clean[64];
		size_t length = strlen(cases[i].text);
		size_t written = utf8_clean(clean, sizeof(clean), cases[i].text, length);

		assert_string_equal(clean, cases[i].clean);
		assert_int_equal(written, strlen(cases[i].clean));
		assert_int_equal(utf8_is_clean(cases[i].text, length),
				 !strcmp(cases[i].text, cases[i].clean));
		assert_true(utf8_is_clean(clean, written));
	}
}

static void test_zero_bytes_inside_the_length_are_control_characters(void **state)
{
	char clean[8];

	(void)state;
	assert_int_equal(utf8_clean(clean, sizeof(clean), "a\0b", 3), 3);
	assert_string_equal(clean, "a?b");
	assert_false(utf8_is_clean("a\0b", 3));
}

static void test_what_does_not_fit_is_cut_between_characters(void **state)
{
	static const struct {
		size_t capacity;
		const char *clean;
	} cases[] = {{0, "unchanged"}, {1, ""}, {2, "a"}, {3, "a"}, {4, "aé"}, {9, "aéz"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char clean[16] = "unchanged";

		utf8_clean(clean, cases[i].capacity, "aéz", 4);
		assert_string_equal(clean, cases[i].clean);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_characters_of_each_length_are_read),
		cmocka_unit_test(test_bytes_that_are_no_character_are_refused),
		cmocka_unit_test(test_text_becomes_printable_utf8),
		cmocka_unit_test(test_zero_bytes_inside_the_length_are_control_characters),
		cmocka_unit_test(test_what_does_not_fit_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
