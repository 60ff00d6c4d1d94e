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
		cmocka_unit_test(test_a_quality_that_is_too_low_is_a_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
