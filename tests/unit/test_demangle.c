/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/demangle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/utf8.h"
#include "tests/unit/cmocka_all.h"

static void test_names_read_as_they_were_written(void **state)
{
	static const struct {
		const char *mangled;
		const char *name;
	} cases[] = {
		{"main", "main"},
		{"", ""},
		{"_start", "_start"},
		{"_Z3foov", "foo"},
		{"_Z3fooRKSsi", "foo"},
		{"_ZNSt6vectorIiSaIiEE9push_backERKi",
		 "std::vector<int, std::allocator<int> >::push_back"},
		{"_Z3fooIiET_S0_", "foo<int>"},
		{"_ZN3FooC1Ev", "Foo::Foo"},
		{"_ZTv0_n24_N3FooD0Ev", "virtual thunk to Foo::~Foo()"},
		{"_ZN3fooEv.cold", "foo [clone .cold]"},
		{"_ZL3foov.part.0", "foo [clone .part.0]"},
		{"_Z3foov.part.0.cold", "foo [clone .part.0] [clone .cold]"},
		{"_GLOBAL__sub_I_main.cc", "_GLOBAL__sub_I_main.cc"},
		{"foo.cold", "foo.cold"},
		{"foo.constprop.0.isra.0", "foo.constprop.0.isra.0"},
		{"_Z3foov@plt", "foo@plt"},
		{"read@plt", "read@plt"},
		{"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
		{"_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar"
		 "17h930b740aa94f1d3aE",
		 "<Test + 'static as foo::Bar<Test>>::bar"},
		{"_Dmain", "D main"},
		{"_D3std5stdio7writelnFZv", "std.stdio.writeln()"},
		{"_D", "_D"},
		{"_Z", "_Z"},
		{"_Zgarbage", "_Zgarbage"},
		{"_R", "_R"},
		{"Builtins_InterpreterEntryTrampoline", "Builtins_InterpreterEntryTrampoline"},
		{"\xff\n", "\xef\xbf\xbd?"},
		{"_Z3f\xe4\xe4v", "f\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[DEMANGLE_MAX_OUTPUT];
		size_t length = demangle_name(name, cases[i].mangled, strlen(cases[i].mangled));

		assert_string_equal(name, cases[i].name);
		assert_int_equal(length, strlen(name));
	}
}

static void check_bounded(const char *mangled, size_t length)
{
	char name[DEMANGLE_MAX_OUTPUT];
	size_t written = demangle_name(name, mangled, length);

	assert_true(written < sizeof(name));
	assert_int_equal(strlen(name), written);
	assert_true(utf8_is_clean(name, written));
}

/* A pair of the type before, again and again: each step doubles what it stands for. */
static size_t make_doubling_cxx(char *text, size_t capacity, int steps)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t used = (size_t)snprintf(text, capacity, "_Z1f1AIiiE");

	for (int i = 0; i < steps; i++)
		used += (size_t)snprintf(text + used, capacity - used, "S_IS%c_S%c_E",
					 digits[i % 36], digits[i % 36]);
	return used;
}

static void test_hostile_names_give_bounded_output(void **state)
{
	static char text[100000];
	size_t length;

	(void)state;
	length = make_doubling_cxx(text, sizeof(text), 30);
	check_bounded(text, length);

	/* too deep for a recursive printer */
	memset(text, 'P', sizeof(text));
	memcpy(text, "_Z1f", 4);
	for (length = 100; length < sizeof(text); length = length * 3 / 2) {
		text[length - 1] = 'i';
		check_bounded(text, length);
		text[length - 1] = 'P';
	}
	memset(text, 'A', sizeof(text));
	memcpy(text, "_D1f", 4);
	for (length = 100; length < sizeof(text); length = length * 3 / 2)
		check_bounded(text, length);
	memset(text, 'R', sizeof(text));
	memcpy(text, "_RIC1a", 6);
	for (length = 100; length < sizeof(text); length = length * 3 / 2)
		check_bounded(text, length);

	/* D: each back reference stands for the whole type before it */
	length = (size_t)snprintf(text, sizeof(text), "_D1fFAi");
	for (int i = 0; i < 2000; i++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "HQcQe");
	check_bounded(text, length);

	/* long, but no mangled name */
	memset(text, 'x', sizeof(text));
	check_bounded(text, sizeof(text));
	memset(text, '\xff', sizeof(text));
	check_bounded(text, sizeof(text));
}

static void test_a_cut_name_ends_in_an_ellipsis(void **state)
{
	char name[DEMANGLE_MAX_OUTPUT];
	char text[DEMANGLE_MAX_OUTPUT + 10];

	(void)state;
	memset(text, 'x', sizeof(text));
	size_t length = demangle_name(name, text, DEMANGLE_MAX_OUTPUT - 1);
	assert_int_equal(length, DEMANGLE_MAX_OUTPUT - 1);
	length = demangle_name(name, text, DEMANGLE_MAX_OUTPUT);
	assert_true(length > DEMANGLE_MAX_OUTPUT - 10);
	assert_string_equal(name + length - 3, "\xe2\x80\xa6");
}

static void test_a_batch_keeps_number_and_order(void **state)
{
	static const char names[] = "main\0_Z3foov\0\0_Z3barv\0last";
	static const char expected[] = "main\0foo\0\0bar\0last";
	_cleanup_free_ char *result = NULL;
	size_t size;

	(void)state;
	assert_int_equal(demangle_batch(names, sizeof(names), UINT64_MAX / 2, &result, &size), 0);
	assert_int_equal(size, sizeof(expected));
	assert_memory_equal(result, expected, size);

	free(steal_ptr(&result));
	assert_int_equal(demangle_batch(names, 0, UINT64_MAX / 2, &result, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(demangle_batch(names, 3, UINT64_MAX / 2, &result, &size), -EINVAL);
	assert_int_equal(
		demangle_batch(names, DEMANGLE_MAX_BATCH + 1, UINT64_MAX / 2, &result, &size),
		-E2BIG);
}

static void test_names_that_take_long_do_not_keep_a_batch(void **state)
{
	static const char names[] = "_Z3foov\0main";
	static char doubling[256];
	_cleanup_free_ char *result = NULL;
	size_t used = 0, size;

	(void)state;
	/* the most back references that are followed, each pair doubles what they stand for */
	used += (size_t)snprintf(doubling, sizeof(doubling), "_D1fFAiHQdQf");
	for (int i = 0; i < 13; i++)
		used += (size_t)snprintf(doubling + used, sizeof(doubling) - used, "HQgQi");
	used += (size_t)snprintf(doubling + used, sizeof(doubling) - used, "Zv") + 1;
	assert_int_equal(demangle_batch(doubling, used, UINT64_MAX / 2, &result, &size), 0);
	assert_memory_equal(result, "f(int[], int[][int[]]", 21);
	assert_int_equal(size, DEMANGLE_MAX_OUTPUT);

	/* no time at all */
	free(steal_ptr(&result));
	assert_int_equal(demangle_batch(names, sizeof(names), 0, &result, &size), 0);
	assert_int_equal(size, sizeof(names));
	assert_memory_equal(result, names, sizeof(names));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_read_as_they_were_written),
		cmocka_unit_test(test_hostile_names_give_bounded_output),
		cmocka_unit_test(test_a_cut_name_ends_in_an_ellipsis),
		cmocka_unit_test(test_a_batch_keeps_number_and_order),
		cmocka_unit_test(test_names_that_take_long_do_not_keep_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
