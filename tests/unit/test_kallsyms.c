/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/kallsyms.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

static const char text[] = "ffffffff81000000 T _stext\n"
			   "ffffffff81000000 T _text\n"
			   "ffffffff81000100 t do_one\n"
			   "ffffffff81000180 d some_data\n"
			   "ffffffff81000200 W weak_one\n"
			   "ffffffffc0000000 t ext4_init\t[ext4]\n"
			   "ffffffffc0001000 t bpf_prog_6deef7357e7b4530_on_cpu\t[bpf]\n"
			   "0000000000000000 A fixed_percpu_data\n"
			   "garbage\n"
			   "ffffffff81000150 t do_two";

static void test_an_address_gets_the_function_it_is_in(void **state)
{
	static const struct {
		uint64_t address;
		const char *name;
		const char *module;
	} cases[] = {
		{0xffffffff81000000, "_stext", "kernel"},
		{0xffffffff8100014f, "do_one", "kernel"},
		{0xffffffff81000150, "do_two", "kernel"},
		{0xffffffff810001ff, "do_two", "kernel"}, /* data is no function */
		{0xffffffff81000200, "weak_one", "kernel"},
		{0xffffffffc0000010, "ext4_init", "ext4"},
		{0xffffffffc0001010, "bpf_prog_6deef7357e7b4530_on_cpu", "bpf"},
	};
	_cleanup_(kallsyms_freep) struct kallsyms *symbols = NULL;

	(void)state;
	assert_int_equal(kallsyms_parse(text, strlen(text), &symbols), 0);
	assert_int_equal(kallsyms_count(symbols), 7);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *module = "";

		assert_string_equal(kallsyms_find(symbols, cases[i].address, &module),
				    cases[i].name);
		assert_string_equal(module, cases[i].module);
	}
	const char *module;
	assert_null(kallsyms_find(symbols, 0x1000, &module));
}

static void test_a_symbol_ends_where_the_next_begins(void **state)
{
	static const char three[] = "ffffffff81000300 T first\nffffffff81000300 T alias\n"
				    "ffffffff81000400 t second\n";
	_cleanup_(kallsyms_freep) struct kallsyms *symbols = NULL;
	uint64_t address = 0, end = 0;

	(void)state;
	assert_int_equal(kallsyms_parse(three, strlen(three), &symbols), 0);
	assert_int_equal(kallsyms_locate(symbols, "first", &address, &end), 0);
	assert_int_equal(address, 0xffffffff81000300);
	assert_int_equal(end, 0xffffffff81000400);
	assert_int_equal(kallsyms_locate(symbols, "second", &address, &end), 0);
	assert_int_equal(end, address);
	assert_int_equal(kallsyms_locate(symbols, "third", &address, &end), -ENOENT);
}

static void test_hidden_addresses_and_garbage_are_told_apart(void **state)
{
	static const char hidden[] = "0000000000000000 T _stext\n0000000000000000 t do_one\n";
	struct kallsyms *symbols = NULL;

	(void)state;
	assert_int_equal(kallsyms_parse(hidden, strlen(hidden), &symbols), -EPERM);
	assert_int_equal(kallsyms_parse("", 0, &symbols), -EBADMSG);
	assert_int_equal(kallsyms_parse("\n\n  T\nffff\n", 11, &symbols), -EBADMSG);
	assert_null(symbols);
}

static void test_any_cut_of_the_text_is_survived(void **state)
{
	(void)state;
	for (size_t length = 0; length < sizeof(text); length++) {
		struct kallsyms *symbols = NULL;

		if (kallsyms_parse(text, length, &symbols) == 0)
			kallsyms_free(symbols);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_gets_the_function_it_is_in),
		cmocka_unit_test(test_a_symbol_ends_where_the_next_begins),
		cmocka_unit_test(test_hidden_addresses_and_garbage_are_told_apart),
		cmocka_unit_test(test_any_cut_of_the_text_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
