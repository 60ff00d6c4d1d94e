/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/answer_cost.h"

#include "common/profile.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/protocol/measure.h"
#include "tests/unit/cmocka_all.h"

static const struct bucket_totals totals = {
	.costs =
		{
			[COST_CPU] = {.spent_ns = 10, .base_ns = 1000},
			[COST_WATCH] = {.spent_ns = 30, .base_ns = 1000, .allowed_ns = 20},
		},
};

static void test_the_cost_is_that_of_all_that_was_needed(void **state)
{
	static const struct {
		const char *measure;
		double percent;
		uint32_t notes;
	} cases[] = {{"cpu", 1, 0}, {"offcpu", 3, 1}, {"fault", 3, 1}, {"wall", 4, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(profile_freep) struct profile *profile = profile_new();

		answer_cost_describe(profile, measure_find(cases[i].measure), &totals);
		assert_true(profile->cost_percent > cases[i].percent - 0.001 &&
			    profile->cost_percent < cases[i].percent + 0.001);
		assert_int_equal(profile->note_count, cases[i].notes);
	}
}

static void test_what_is_not_known_is_not_told(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = profile_new();
	double before = profile->cost_percent;

	(void)state;
	answer_cost_describe(profile, measure_find("heap"), &totals);
	assert_true(profile->cost_percent >= before && profile->cost_percent <= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_cost_is_that_of_all_that_was_needed),
		cmocka_unit_test(test_what_is_not_known_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
