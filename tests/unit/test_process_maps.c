/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/process_maps.h"

#include <string.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static const char text[] =
	"55d0c8a00000-55d0c8a01000 r--p 00000000 fe:01 1234                       /usr/bin/prog\n"
	"55d0c8a01000-55d0c8a02000 r-xp 00001000 fe:01 1234                       /usr/bin/prog\n"
	"7f0000000000-7f0000021000 rwxp 00000000 00:00 0 \n"
	"7f1000000000-7f1000100000 r-xp 00026000 fe:01 77                         /a b\\012c\n"
	"7f2000000000-7f2000100000 r-xp 00026000 0:1d 77                          /other/device\n"
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static void test_mappings_of_code_from_files_are_found(void **state)
{
	struct process_map maps[8];
	size_t count = process_maps_parse(text, strlen(text), maps, ARRAY_SIZE(maps));

	(void)state;
	assert_int_equal(count, 3);
	assert_true(maps[0].start == 0x55d0c8a01000 && maps[0].end == 0x55d0c8a02000);
	assert_true(maps[0].offset == 0x1000 && maps[0].inode == 1234);
	assert_true(maps[0].device_major == 0xfe && maps[0].device_minor == 1);
	assert_true(maps[1].inode == 77 && maps[1].offset == 0x26000);
	assert_false(process_map_is_same_file(&maps[1], &maps[2]));
	assert_true(process_map_is_same_file(&maps[1], &maps[1]));
}

static void test_no_more_are_written_than_fit(void **state)
{
	struct process_map maps[1];

	(void)state;
	assert_int_equal(process_maps_parse(text, strlen(text), maps, 1), 1);
}

static void test_text_may_be_cut_off_anywhere(void **state)
{
	struct process_map maps[8];

	(void)state;
	for (size_t length = 0; length < strlen(text); length++)
		assert_true(process_maps_parse(text, length, maps, ARRAY_SIZE(maps)) <= 3);
}

static void test_lines_that_make_no_sense_are_left_out(void **state)
{
	static const char *const lines[] = {
		"\n",
		"2000-1000 r-xp 0 0:1 1 /x\n",
		"1000-2000 r-xp 0 0:1 0 /x\n",
		"1000-2000 r-x\n",
		"10000000000000000-2 r-xp 0 0:1 1 /x\n",
		"1000 2000 r-xp 0 0:1 1 /x\n",
		"1000-2000 r-xp 0 0-1 1 /x\n",
		"1000-2000 r-xp g 0:1 1 /x\n",
		"1000-2000 r-xp 0 100000000:1 1 /x\n",
		"-----------------------------------\n",
	};
	struct process_map maps[1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(process_maps_parse(lines[i], strlen(lines[i]), maps, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mappings_of_code_from_files_are_found),
		cmocka_unit_test(test_no_more_are_written_than_fit),
		cmocka_unit_test(test_text_may_be_cut_off_anywhere),
		cmocka_unit_test(test_lines_that_make_no_sense_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
