/* SPDX-License-Identifier: Apache-2.0 */
#include "common/intern.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

static void test_equal_strings_get_one_number(void **state)
{
	struct intern table;
	char text[32];

	(void)state;
	intern_init(&table);
	assert_int_equal(intern_add_text(&table, ""), 0);
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof(text), "function_%d", i);
		assert_int_equal(intern_add_text(&table, text), i + 1);
	}
	assert_int_equal(intern_add_text(&table, "function_77"), 78);
	assert_string_equal(intern_text(&table, 78), "function_77");
	assert_int_equal(intern_find(&table, "function_", 9), HASHMAP_NONE);
	intern_fini(&table);
}

static void test_bytes_of_any_kind_and_length_are_kept(void **state)
{
	static char big[200000];
	struct intern table;

	(void)state;
	memset(big, 'x', sizeof(big));
	intern_init(&table);
	uint32_t id = intern_add(&table, big, sizeof(big));
	assert_int_equal(table.strings[id].length, sizeof(big));
	assert_memory_equal(intern_text(&table, id), big, sizeof(big));
	assert_int_not_equal(intern_add(&table, "a\0b", 3), intern_add(&table, "a\0c", 3));
	intern_fini(&table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_strings_get_one_number),
		cmocka_unit_test(test_bytes_of_any_kind_and_length_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
