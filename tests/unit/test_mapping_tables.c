/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/mapping_tables.h"

#include <string.h>

#include "tests/unit/cmocka_all.h"

static void test_executable_lines_are_found(void **state)
{
	static const char text[] =
		"55d0-55e0 r--p 00000000 fe:00 1234                       /usr/bin/a b\n"
		"55e0-55f0 r-xp 00001000 fe:01 1234                       /usr/bin/a b\n"
		"7f00-7f10 rwxp 00000000 00:00 0 \n"
		"7fff0000-7fff1000 r-xp 00000000 00:00 0                  [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]";
	struct maps_line line;
	size_t at = 0;

	(void)state;
	assert_int_equal(maps_line_next(text, strlen(text), &at, &line), 1);
	assert_int_equal(line.start, 0x55e0);
	assert_int_equal(line.end, 0x55f0);
	assert_int_equal(line.offset, 0x1000);
	assert_int_equal(line.inode, 1234);
	assert_int_equal(line.device, 0xfe << 20 | 1);
	assert_int_equal(line.path_length, strlen("/usr/bin/a b"));
	assert_memory_equal(line.path, "/usr/bin/a b", line.path_length);
	assert_int_equal(maps_line_next(text, strlen(text), &at, &line), 1);
	assert_int_equal(line.inode, 0);
	assert_int_equal(line.path_length, 0);
	assert_int_equal(maps_line_next(text, strlen(text), &at, &line), 1);
	assert_memory_equal(line.path, "[vdso]", line.path_length);
	assert_int_equal(maps_line_next(text, strlen(text), &at, &line), 1);
	assert_true(line.start == 0xffffffffff600000);
	assert_int_equal(maps_line_next(text, strlen(text), &at, &line), 0);
}

static void test_what_is_no_line_is_passed_over(void **state)
{
	static const char *const cases[] = {
		"",
		"\n\n\n",
		"55e0",
		"55e0-",
		"55e0-55f0",
		"55e0-55f0 r-xp",
		"55e0-55f0 r-xp 0",
		"55e0-55f0 r-xp 0 fe:01",
		"55e0-55f0 r-xp 0 fe:01 x",
		"55f0-55e0 r-xp 0 fe:01 1 /a",
		"55e0-55f0 r--p 0 fe:01 1 /a",
		"-55f0 r-xp 0 fe:01 1 /a",
		"10000000000000000-20000000000000000 r-xp 0 fe:01 1 /a",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct maps_line line;
		size_t at = 0;

		if (maps_line_next(cases[i], strlen(cases[i]), &at, &line))
			fail_msg("'%s' was taken for a mapping", cases[i]);
	}
}

static void test_every_cut_of_a_line_is_survived(void **state)
{
	static const char text[] = "55e0-55f0 r-xp 00001000 fe:01 1234   /usr/bin/a";

	(void)state;
	for (size_t length = 0; length <= strlen(text); length++) {
		char *copy = memory_copy_text(text, length);
		struct maps_line line;
		size_t at = 0;

		if (maps_line_next(copy, length, &at, &line))
			assert_true(line.path_length <= length);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_executable_lines_are_found),
		cmocka_unit_test(test_what_is_no_line_is_passed_over),
		cmocka_unit_test(test_every_cut_of_a_line_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
