/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/addr2line.h"

#include <string.h>

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

#define END "0xffffffffffffffff\n??\n??:0\n"

static void test_answers_end_where_the_other_address_is(void **state)
{
	static const struct {
		const char *text;
		int is_whole;
		const char *functions; /* "name place, …" */
	} cases[] = {
		{"0x1\nmain\na.c:3\n" END, 1, "main a.c:3, "},
		{"0x1\ninner\na.h:9 (discriminator 2)\nouter\na.c:3\n" END, 1,
		 "inner a.h:9, outer a.c:3, "},
		{"0x1\n??\n??:0\n" END, 1, ""},
		{"0x1\noperator()(int)\na.c:?\n" END, 1, "operator()(int) a.c:?, "},
		{END, 0, ""},
		{"", 0, ""},
		{"0x1\nmain\na.c:3\n", 0, NULL},
		{"0x1\nmain\na.c:3\n0xffffffffffffffff\n??\n??:0", 0, NULL},
		{"\0\n\n\n\n", 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(addr2line_answer_fini) struct addr2line_answer answer = {0};
		char found[256] = "";

		assert_int_equal(addr2line_parse(&answer, cases[i].text, strlen(cases[i].text)),
				 cases[i].is_whole);
		for (size_t k = 0; k < answer.count; k++) {
			strcat(strcat(found, answer.functions[k].name), " ");
			strcat(strcat(found, answer.functions[k].place), ", ");
		}
		if (cases[i].functions)
			assert_string_equal(found, cases[i].functions);
	}
}

/* Whatever it is asked about, and however it ends. */
static void test_what_is_no_program_has_no_functions(void **state)
{
	struct addr2line addr2line;

	(void)state;
	addr2line_init(&addr2line, 0);
	for (int i = 0; i < 20; i++) {
		_cleanup_(addr2line_answer_fini) struct addr2line_answer answer = {0};
		char module[32];

		snprintf(module, sizeof(module), "/nowhere/%d", i / 2);
		addr2line_ask(&addr2line, module, "12", "name+0x12", &answer);
		assert_int_equal(answer.count, 0);
	}
	addr2line_fini(&addr2line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_end_where_the_other_address_is),
		cmocka_unit_test(test_what_is_no_program_has_no_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
