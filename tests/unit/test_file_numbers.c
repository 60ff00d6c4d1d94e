/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/file_numbers.h"

#include "common/frame.h"
#include "tests/unit/cmocka_all.h"

static void test_equal_files_have_one_number(void **state)
{
	_cleanup_(file_numbers_freep) struct file_numbers *numbers = file_numbers_new();
	static const struct {
		struct file_identity file;
		uint32_t number;
		int is_new;
	} cases[] = {
		{{10, 1, 5}, MODULE_FIRST_FILE, 1},     {{10, 1, 5}, MODULE_FIRST_FILE, 0},
		{{10, 1, 6}, MODULE_FIRST_FILE + 1, 1}, {{11, 1, 5}, MODULE_FIRST_FILE + 2, 1},
		{{10, 2, 5}, MODULE_FIRST_FILE + 3, 1}, /* the inode was used again */
		{{12, 0, 5}, MODULE_FIRST_FILE + 4, 1}, /* /proc does not tell */
		{{12, 7, 5}, MODULE_FIRST_FILE + 4, 0}, {{12, 0, 5}, MODULE_FIRST_FILE + 4, 0},
		{{12, 8, 5}, MODULE_FIRST_FILE + 5, 1},
	};
	int is_new;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(file_numbers_get(numbers, &cases[i].file, &is_new),
				 cases[i].number);
		assert_int_equal(is_new, cases[i].is_new);
	}
}

static void test_numbers_run_out_before_those_of_code_made_at_run_time(void **state)
{
	_cleanup_(file_numbers_freep) struct file_numbers *numbers = file_numbers_new();
	struct file_identity file = {.generation = 1, .device = 1};
	int is_new;

	(void)state;
	for (file.inode = MODULE_FIRST_FILE; file.inode < MODULE_FIRST_JIT; file.inode++)
		assert_int_equal(file_numbers_get(numbers, &file, &is_new), file.inode);
	assert_int_equal(file_numbers_get(numbers, &file, &is_new), MODULE_NONE);
	assert_false(is_new);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_files_have_one_number),
		cmocka_unit_test(test_numbers_run_out_before_those_of_code_made_at_run_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
