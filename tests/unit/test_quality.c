/* SPDX-License-Identifier: Apache-2.0 */
#include "common/quality.h"

#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

static uint32_t add_node(struct profile *profile, uint32_t parent, const char *name,
			 enum frame_kind kind)
{
	struct profile_frame frame = {.name = profile_string(profile, name), .kind = kind};

	return profile_add_node(profile, parent, profile_add_frame(profile, &frame));
}

static void add_row(struct profile *profile, uint32_t node, double count)
{
	profile_add_row(profile, PROFILE_NO_THREAD, node, count, 1, 0);
}

static void assert_near(double value, double wanted)
{
	assert_true(value > wanted - 0.01 && value < wanted + 0.01);
}

static void test_a_gap_anywhere_in_a_stack_breaks_it(void **state)
{
	struct profile *profile = profile_new();
	uint32_t root = add_node(profile, PROFILE_NO_NODE, "main", FRAME_USER);
	uint32_t leaf = add_node(profile, root, "write", FRAME_KERNEL);
	uint32_t broken = add_node(profile, PROFILE_NO_NODE, "[truncated]", FRAME_MARKED);
	uint32_t above = add_node(profile, broken, "work", FRAME_USER);

	(void)state;
	add_row(profile, leaf, 80);
	add_row(profile, above, 15);
	add_row(profile, PROFILE_NO_NODE, 5);
	assert_near(quality_whole_percent(profile), 80);
	assert_near(quality_named_percent(profile), 80);
	profile_free(profile);
}

static void test_a_frame_without_a_name_breaks_what_has_to_be_named(void **state)
{
	struct profile *profile = profile_new();
	uint32_t root = add_node(profile, PROFILE_NO_NODE, "main", FRAME_USER);
	uint32_t unnamed = add_node(profile, root, "libc.so+0x123", FRAME_UNKNOWN);
	uint32_t below = add_node(profile, unnamed, "helper", FRAME_LIBRARY);

	(void)state;
	add_row(profile, below, 10);
	add_row(profile, root, 30);
	assert_near(quality_whole_percent(profile), 100);
	assert_near(quality_named_percent(profile), 75);
	profile_free(profile);
}

static void test_what_a_thread_waits_for_is_no_gap(void **state)
{
	struct profile *profile = profile_new();
	uint32_t root = add_node(profile, PROFILE_NO_NODE, "main", FRAME_USER);

	(void)state;
	add_row(profile, add_node(profile, root, "[lock]", FRAME_MARKED), 10);
	add_row(profile, add_node(profile, root, "[run queue]", FRAME_MARKED), 10);
	add_row(profile, add_node(profile, root, "[of another version]", FRAME_MARKED), 20);
	assert_near(quality_whole_percent(profile), 50);
	profile_free(profile);
}

static void test_nothing_is_of_full_quality(void **state)
{
	struct profile *profile = profile_new();

	(void)state;
	assert_near(quality_named_percent(profile), 100);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_gap_anywhere_in_a_stack_breaks_it),
		cmocka_unit_test(test_a_frame_without_a_name_breaks_what_has_to_be_named),
		cmocka_unit_test(test_what_a_thread_waits_for_is_no_gap),
		cmocka_unit_test(test_nothing_is_of_full_quality),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
