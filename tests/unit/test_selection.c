/* SPDX-License-Identifier: Apache-2.0 */
#include "client/selection.h"

#include "common/profile.h"
#include "tests/unit/cmocka_all.h"

static uint32_t add_node(struct profile *profile, uint32_t parent, const char *name,
			 enum frame_kind kind)
{
	struct profile_frame frame = {.name = profile_string(profile, name), .kind = kind};

	return profile_add_node(profile, parent, profile_add_frame(profile, &frame));
}

static void test_a_stack_is_whole_when_no_frame_is_marked_or_unnamed(void **state)
{
	struct profile *profile = profile_new();
	uint32_t root = add_node(profile, PROFILE_NO_NODE, "main", FRAME_USER);
	uint32_t leaf = add_node(profile, root, "write", FRAME_KERNEL);
	uint32_t unnamed = add_node(profile, root, "libc.so+0x123", FRAME_UNKNOWN);
	uint32_t below = add_node(profile, unnamed, "helper", FRAME_LIBRARY);
	uint32_t broken = add_node(profile, PROFILE_NO_NODE, "[truncated]", FRAME_MARKED);
	uint32_t above = add_node(profile, broken, "work", FRAME_USER);

	(void)state;
	assert_true(selection_quality(profile) >= 100);
	profile_add_row(profile, PROFILE_NO_THREAD, leaf, 70, 1, 0);
	profile_add_row(profile, PROFILE_NO_THREAD, below, 10, 1, 0);
	profile_add_row(profile, PROFILE_NO_THREAD, above, 15, 1, 0);
	profile_add_row(profile, PROFILE_NO_THREAD, PROFILE_NO_NODE, 5, 1, 0);
	double quality = selection_quality(profile);
	assert_true(quality > 69.9 && quality < 70.1);
	profile_free(profile);
}

static void test_a_quality_that_is_too_low_is_a_failure(void **state)
{
	struct profile *profile = profile_new();
	uint32_t broken = add_node(profile, PROFILE_NO_NODE, "[truncated]", FRAME_MARKED);
	struct selection selection;

	(void)state;
	selection_init(&selection);
	profile_add_row(profile, PROFILE_NO_THREAD, broken, 1, 1, 0);
	assert_int_equal(selection_judge_quality(&selection, profile), EXIT_DONE);
	selection.min_quality = 0.5;
	assert_int_equal(selection_judge_quality(&selection, profile), EXIT_FAILED);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stack_is_whole_when_no_frame_is_marked_or_unnamed),
		cmocka_unit_test(test_a_quality_that_is_too_low_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
