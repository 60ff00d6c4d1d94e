/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/governor.h"

#include "daemon/core/targets/target.h"
#include "tests/unit/cmocka_all.h"

/* Let target use two seconds of CPU at its rate, each sample costing cost_ns. */
static void run(struct target *target, uint64_t cost_ns)
{
	target->cpu_samples += 2 * target->rate_hz;
	target->weight_ns += UINT64_C(2000000000);
	target->cost_ns += 2 * target->rate_hz * cost_ns;
}

static struct target new_target(uint32_t asked_hz, double budget_percent)
{
	return (struct target){
		.asked_hz = asked_hz, .rate_hz = asked_hz, .budget_percent = budget_percent};
}

static void settle(struct target *target, uint64_t cost_ns)
{
	for (int i = 0; i < 20; i++) {
		run(target, cost_ns);
		target->rate_hz = governor_choose_rate(target, 0);
	}
}

static void test_a_rate_within_the_budget_is_left_alone(void **state)
{
	struct target target = new_target(99, 1);

	(void)state;
	settle(&target, 5000);
	assert_int_equal(target.rate_hz, 99);
}

static void test_a_dear_rate_is_lowered_to_the_aim(void **state)
{
	struct target target = new_target(4999, 1);

	(void)state;
	/* 10 us a sample: 0.8 % of a second is 800 samples. */
	settle(&target, 10000);
	assert_in_range(target.rate_hz, 720, 880);
}

static void test_the_rate_comes_back_when_samples_get_cheap(void **state)
{
	struct target target = new_target(999, 1);

	(void)state;
	settle(&target, 40000);
	assert_in_range(target.rate_hz, 180, 220);
	settle(&target, 1000);
	assert_int_equal(target.rate_hz, 999);
}

static void test_the_core_s_own_time_counts(void **state)
{
	struct target target = new_target(4999, 1);

	(void)state;
	for (int i = 0; i < 20; i++) {
		run(&target, 0);
		target.rate_hz = governor_choose_rate(&target, 10000);
	}
	assert_in_range(target.rate_hz, 720, 880);
}

static void test_no_conclusion_is_drawn_from_an_idle_target(void **state)
{
	struct target target = new_target(999, 1);

	(void)state;
	target.cpu_samples = 10;
	target.weight_ns = 10 * 1001001;
	target.cost_ns = 10 * 1001001;
	assert_int_equal(governor_choose_rate(&target, 0), 999);
}

static void test_the_rate_never_falls_to_nothing(void **state)
{
	struct target target = new_target(99, 0.001);

	(void)state;
	settle(&target, 10000000);
	assert_int_equal(target.rate_hz, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_rate_within_the_budget_is_left_alone),
		cmocka_unit_test(test_a_dear_rate_is_lowered_to_the_aim),
		cmocka_unit_test(test_the_rate_comes_back_when_samples_get_cheap),
		cmocka_unit_test(test_the_core_s_own_time_counts),
		cmocka_unit_test(test_no_conclusion_is_drawn_from_an_idle_target),
		cmocka_unit_test(test_the_rate_never_falls_to_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
