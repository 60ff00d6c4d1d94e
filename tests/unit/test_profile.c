/* SPDX-License-Identifier: Apache-2.0 */
#include "common/profile.h"

#include "tests/unit/cmocka_all.h"

static void test_equal_stacks_share_their_nodes_and_rows(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = profile_new();
	struct profile_frame frame = {.kind = FRAME_USER};

	(void)state;
	frame.name = profile_string(profile, "main");
	uint32_t main_frame = profile_add_frame(profile, &frame);
	frame.name = profile_string(profile, "work");
	uint32_t work_frame = profile_add_frame(profile, &frame);
	uint32_t root = profile_add_node(profile, PROFILE_NO_NODE, main_frame);
	uint32_t leaf = profile_add_node(profile, root, work_frame);

	assert_int_equal(profile_add_node(profile, root, profile_add_frame(profile, &frame)), leaf);
	profile_add_row(profile, PROFILE_NO_THREAD, leaf, 1, 10, 100);
	profile_add_row(profile, PROFILE_NO_THREAD, leaf, 2, 20, 200);
	profile_add_row(profile, 0, leaf, 1, 10, 100);
	assert_int_equal(profile->node_count, 2);
	assert_int_equal(profile->row_count, 2);
	assert_true(profile->rows[0].count == 3 && profile->rows[0].weight == 30 &&
		    profile->rows[0].variance == 300);
}

static void test_losses_add_up_by_name(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = profile_new();

	(void)state;
	profile_add_lost(profile, "ring_full", 2);
	profile_add_lost(profile, "memory", 1);
	profile_add_lost(profile, "ring_full", 3);
	assert_int_equal(profile->lost_count, 2);
	assert_true(profile_lost(profile) == 6);
}

static void test_lines_become_part_of_the_names(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = profile_new();
	struct profile_frame frame = {.kind = FRAME_USER, .line = 12};

	(void)state;
	frame.name = profile_string(profile, "main");
	uint32_t unknown = profile_add_frame(profile, &frame);
	frame.file = profile_string(profile, "/src/main.c");
	uint32_t known = profile_add_frame(profile, &frame);
	profile_name_lines(profile);
	assert_string_equal(profile_text(profile, profile->frames[known].name), "main:main.c:12");
	assert_string_equal(profile_text(profile, profile->frames[unknown].name), "main");
	struct profile_frame same = profile->frames[known];
	assert_int_equal(profile_add_frame(profile, &same), known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_stacks_share_their_nodes_and_rows),
		cmocka_unit_test(test_lines_become_part_of_the_names),
		cmocka_unit_test(test_losses_add_up_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
