/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/charges.h"

#include "common/clock.h"
#include "daemon/core/targets/pacing.h"
#include "tests/unit/cmocka_all.h"

/* A second in which the hooks were attached for half of the time. */
static const struct pacing_usage usage = {
	.walk_ns = 3000000,
	.look_ns = 1000000,
	.hit_ns = 200,
	.attached_ns = NS_PER_SECOND / 2,
	.elapsed_ns = NS_PER_SECOND,
};

static const struct watched everybody = {.looks = 100, .hits = 100000, .walks = 300};

static void test_each_pays_for_what_it_gave_rise_to(void **state)
{
	struct target busy = {
		.recent = {.looks = 10, .cpu_ns = NS_PER_SECOND, .hits = 90000, .walks = 100}};
	struct target quiet = {.recent = {.looks = 90, .cpu_ns = 1000, .hits = 100}};

	(void)state;
	charges_bill(&busy, &everybody, &usage);
	charges_bill(&quiet, &everybody, &usage);
	/* Hits while the hooks were attached, a third of the walks, a tenth of the looks. */
	assert_int_equal(busy.watched.spent_ns, 45000 * 200 + 1000000 + 100000);
	assert_int_equal(busy.watched.base_ns, NS_PER_SECOND);
	assert_int_equal(quiet.watched.spent_ns, 50 * 200 + 900000);
	/* As the budget is: of some CPU time at least. */
	assert_int_equal(quiet.watched.base_ns,
			 (uint64_t)(PACING_LEAST_CPU * (double)NS_PER_SECOND));
}

static void test_bills_add_up(void **state)
{
	struct target target = {.recent = {.looks = 100, .cpu_ns = NS_PER_SECOND}};

	(void)state;
	charges_bill(&target, &everybody, &usage);
	charges_bill(&target, &everybody, &usage);
	assert_int_equal(target.watched.spent_ns, 2000000);
	assert_int_equal(target.watched.base_ns, 2 * NS_PER_SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_pays_for_what_it_gave_rise_to),
		cmocka_unit_test(test_bills_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
