/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/symbol_table.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/symbol_text.h"

#define CODE(start, bytes, text)                                                        \
	{                                                                               \
		.offset = (start), .size = (bytes), .limit = 0x1000, .name = (text),    \
		.name_length = sizeof(text) - 1, .is_code = 1, .binding = SYMBOL_GLOBAL \
	}
#define LABEL(start, text)                                               \
	{                                                                \
		.offset = (start), .limit = 0x1000, .name = (text),      \
		.name_length = sizeof(text) - 1, .binding = SYMBOL_LOCAL \
	}

static void add_all(struct symbol_table *table, const struct symbol_candidate *candidates,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		symbol_table_add(table, &candidates[i]);
	symbol_table_finish(table);
}

static void test_overlapping_symbols_become_ranges_with_one_name_each(void **state)
{
	static const struct {
		const char *expected;
		struct symbol_candidate candidates[4];
		int latest_wins;
	} cases[] = {
		{"", {{0}}, 0},
		{"10-20 a|20-30 b", {CODE(0x20, 0x10, "b"), CODE(0x10, 0x10, "a")}, 0},
		{"10-20 outer|20-30 inner|30-50 outer",
		 {CODE(0x10, 0x40, "outer"), CODE(0x20, 0x10, "inner")},
		 0},
		{"10-20 a|20-60 b", {CODE(0x10, 0x30, "a"), CODE(0x20, 0x40, "b")}, 0},
		{"10-20 a|20-28 b|28-30 c|30-38 b|38-50 a",
		 {CODE(0x10, 0x40, "a"), CODE(0x20, 0x18, "b"), CODE(0x28, 0x8, "c")},
		 0},
		/* without sizes: to the next one, else to the end of the section */
		{"10-20 a|20-1000 b", {CODE(0x10, 0, "a"), CODE(0x20, 0, "b")}, 0},
		{"10-20 f|20-40 label",
		 {CODE(0x10, 0x10, "f"), LABEL(0x20, "label"), CODE(0x40, 0, "g")},
		 0},
		/* a label inside a function is no function; an entry point without size is one */
		{"10-50 f", {CODE(0x10, 0x40, "f"), LABEL(0x20, "loop"), LABEL(0x10, "start")}, 0},
		{"10-20 f|20-50 entry", {CODE(0x10, 0x40, "f"), CODE(0x20, 0, "entry")}, 0},
		/* ranges that make no sense */
		{"10-20 a",
		 {CODE(0x10, 0x10, "a"), CODE(UINT64_MAX, 2, "wraps"),
		  CODE(0x1000, 0, "behind the section"), CODE(0x30, 8, "")},
		 0},
		/* perf maps: memory that is used again belongs to the newest */
		{"10-20 old|20-30 new|30-50 old",
		 {CODE(0x10, 0x40, "old"), CODE(0x20, 0x10, "new")},
		 1},
		{"0-30 new|30-50 old", {CODE(0x10, 0x40, "old"), CODE(0, 0x30, "new")}, 1},
		{"10-20 new", {CODE(0x10, 0x10, "old"), CODE(0x10, 0x10, "new")}, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct symbol_table table = {.latest_wins = cases[i].latest_wins};
		size_t count = 0;

		while (count < 4 && cases[i].candidates[count].name)
			count++;
		add_all(&table, cases[i].candidates, count);
		/* the end of the last one without a size is the limit */
		if (i == 6)
			assert_memory_equal(symbol_text(&table), cases[i].expected,
					    strlen(cases[i].expected));
		else
			assert_string_equal(symbol_text(&table), cases[i].expected);
		symbol_table_fini(&table);
	}
}

static struct symbol_candidate alias(const char *name, enum symbol_binding binding,
				     int is_old_version)
{
	return (struct symbol_candidate){
		.offset = 0x10,
		.size = 0x10,
		.name = name,
		.name_length = strlen(name),
		.is_code = 1,
		.is_old_version = is_old_version != 0,
		.binding = (uint8_t)binding,
	};
}

static void test_of_aliases_the_best_name_is_kept(void **state)
{
	const struct {
		struct symbol_candidate worse, better;
	} cases[] = {
		{alias("local", SYMBOL_LOCAL, 0), alias("weak", SYMBOL_WEAK, 0)},
		{alias("weak", SYMBOL_WEAK, 0), alias("wide", SYMBOL_GLOBAL, 0)},
		{alias("__libc_malloc", SYMBOL_GLOBAL, 0), alias("malloc", SYMBOL_GLOBAL, 0)},
		{alias("_read", SYMBOL_GLOBAL, 0), alias("read", SYMBOL_GLOBAL, 0)},
		{alias("cfree", SYMBOL_GLOBAL, 1), alias("free", SYMBOL_GLOBAL, 0)},
		{alias("cfree", SYMBOL_GLOBAL, 1), alias("free", SYMBOL_WEAK, 0)},
		{alias("send", SYMBOL_GLOBAL, 0), alias("sendmsg", SYMBOL_GLOBAL, 0)},
		{alias("same_b", SYMBOL_GLOBAL, 0), alias("same_a", SYMBOL_GLOBAL, 0)},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		const struct symbol_candidate *worse = &cases[i / 2].worse;
		const struct symbol_candidate *better = &cases[i / 2].better;
		struct symbol_table table = {0};

		/* in both orders */
		symbol_table_add(&table, i % 2 ? worse : better);
		symbol_table_add(&table, i % 2 ? better : worse);
		symbol_table_finish(&table);
		assert_int_equal(table.symbol_count, 1);
		assert_string_equal(table.text + table.symbols[0].name, better->name);
		symbol_table_fini(&table);
	}
}

static void test_a_name_is_stored_once_however_many_pieces_it_covers(void **state)
{
	const struct symbol_candidate candidates[] = {CODE(0, 0x100, "outer"), CODE(0x10, 8, "a"),
						      CODE(0x20, 8, "b")};
	struct symbol_table table = {0};

	(void)state;
	add_all(&table, candidates, ARRAY_SIZE(candidates));
	assert_int_equal(table.symbol_count, 5);
	assert_int_equal(table.text_bytes, sizeof("outer") + sizeof("a") + sizeof("b"));
	symbol_table_fini(&table);
}

static void test_a_range_over_4_gib_is_cut(void **state)
{
	const struct symbol_candidate huge = CODE(0, UINT64_C(1) << 40, "huge");
	struct symbol_table table = {0};

	(void)state;
	add_all(&table, &huge, 1);
	assert_int_equal(table.symbol_count, 1);
	assert_int_equal(table.symbols[0].size, UINT32_MAX);
	symbol_table_fini(&table);
}

static void test_deep_nesting_takes_no_quadratic_time(void **state)
{
	enum { DEPTH = 200000 };
	struct symbol_table table = {0};

	(void)state;
	for (uint64_t i = 0; i < DEPTH; i++) {
		struct symbol_candidate nested = CODE(0x10 + i, 4 * DEPTH - 2 * i, "nested");

		symbol_table_add(&table, &nested);
	}
	symbol_table_finish(&table);
	assert_int_equal(table.symbol_count, 2 * DEPTH - 1);
	for (size_t i = 1; i < table.symbol_count; i++)
		assert_true(table.symbols[i].offset ==
			    table.symbols[i - 1].offset + table.symbols[i - 1].size);
	symbol_table_fini(&table);
}

/* What a stripped library leaves: some names, and where every function is. */
static void test_functions_without_a_name_fill_the_gaps(void **state)
{
	static struct function_range ranges[] = {
		{0x100, 0x40}, /* named */
		{0x140, 0x40}, /* not named */
		{0x180, 0x80}, /* a named one begins in its middle */
		{0x210, 0x10}, /* inside a named one */
		{0x300, 0x10}, /* behind all names */
	};
	static const struct {
		uint64_t offset;
		uint32_t size;
		const char *name;
	} expected[] = {
		{0x100, 0x40, "first"},  {0x140, 0x40, ""}, {0x180, 0x40, ""},
		{0x1c0, 0x80, "second"}, {0x300, 0x10, ""},
	};
	const struct symbol_candidate candidates[] = {CODE(0x100, 0x40, "first"),
						      CODE(0x1c0, 0x80, "second")};
	const struct function_list functions = {.ranges = ranges, .count = ARRAY_SIZE(ranges)};
	struct symbol_table table = {0};

	(void)state;
	add_all(&table, candidates, ARRAY_SIZE(candidates));
	symbol_table_add_unnamed(&table, &functions);
	assert_int_equal(table.symbol_count, ARRAY_SIZE(expected));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_int_equal(table.symbols[i].offset, expected[i].offset);
		assert_int_equal(table.symbols[i].size, expected[i].size);
		assert_string_equal(table.text + table.symbols[i].name, expected[i].name);
	}
	symbol_table_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlapping_symbols_become_ranges_with_one_name_each),
		cmocka_unit_test(test_of_aliases_the_best_name_is_kept),
		cmocka_unit_test(test_a_name_is_stored_once_however_many_pieces_it_covers),
		cmocka_unit_test(test_a_range_over_4_gib_is_cut),
		cmocka_unit_test(test_functions_without_a_name_fill_the_gaps),
		cmocka_unit_test(test_deep_nesting_takes_no_quadratic_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
