/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_governor.h"

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define SECOND 1e9

static void test_the_budget_is_a_share_of_a_busy_target_s_time(void **state)
{
	(void)state;
	assert_true(heap_governor_budget_ns(1, 4 * SECOND, SECOND) == 0.04 * SECOND);
}

static void test_an_idle_target_may_be_cost_what_it_does_not_use(void **state)
{
	struct heap_spending idle = {.cost_ns = 0.009 * SECOND, .cpu_ns = 0, .wall_ns = SECOND};

	(void)state;
	assert_false(heap_governor_is_over(1, &idle));
	idle.cost_ns = 0.011 * SECOND;
	assert_true(heap_governor_is_over(1, &idle));
	/* No budget, no limit. */
	assert_false(heap_governor_is_over(0, &idle));
}

static void test_cost_counts_every_hit(void **state)
{
	const struct heap_costs costs = {
		.entry_ns = 1, .pair_ns = 10, .free_ns = 100, .walk_ns = 1000};
	const struct heap_usage usage = {.hits = 3, .frees = 2, .sampled = 1};

	(void)state;
	assert_true(heap_governor_cost_ns(&costs, &usage, 0) == 1230);
	assert_true(heap_governor_cost_ns(&costs, &usage, 1) == 1203);
}

static void test_what_operators_return_is_looked_at_when_it_fits(void **state)
{
	static const struct {
		double cost_ms, leaves_ms, followed_ms; /* of a second, whose budget is 10 */
		int without, with;
	} cases[] = {
		{9, 8, 8, 1, 1},    /* all is seen */
		{30, 25, 25, 1, 0}, /* all is seen, and it is too much */
		{30, 5, 5, 0, 0},   /* it is too much in any case */
		{4, 0, 5, 1, 1},    /* it is not looked at, and could be */
		{4, 0, 50, 1, 0},   /* neither is nor could be */
		{30, 25, 2, 1, 1},  /* others return by the same instructions: not foreseen */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct heap_spending spending = {.cost_ns = cases[i].cost_ms * 1e6,
						       .leaves_ns = cases[i].leaves_ms * 1e6,
						       .followed_ns = cases[i].followed_ms * 1e6,
						       .wall_ns = SECOND};

		if (heap_governor_fits_without(1, &spending) != cases[i].without ||
		    heap_governor_fits_with(1, &spending) != cases[i].with)
			fail_msg("case %zu", i);
	}
}

/* Windows of a busy process, of which each ns costs the given share. */
static uint64_t window_of(double share, double busy, uint64_t *period_ns)
{
	struct heap_spending period = {.cpu_ns = busy * SECOND, .wall_ns = SECOND};

	return heap_governor_window_ns(1, &period, share * SECOND, SECOND, period_ns);
}

static void test_the_time_that_is_lost_in_windows_is_the_aim(void **state)
{
	uint64_t period_ns, window_ns = window_of(0.5, 1, &period_ns);

	(void)state;
	assert_int_equal(period_ns, HEAP_GOVERNOR_PERIOD_NS);
	/* Half of 16 ms is the aim: 0.8 % of a second. */
	assert_in_range(window_ns, 15900000, 16100000);
	/* All of it is lost: never more than the aim, whatever the probes cost. */
	assert_in_range(window_of(7, 1, &period_ns), 7900000, 8100000);
}

static void test_cheap_windows_grow_to_half_of_the_time(void **state)
{
	uint64_t period_ns;

	(void)state;
	assert_int_equal(window_of(0.0001, 1, &period_ns), HEAP_GOVERNOR_PERIOD_NS / 2);
	assert_int_equal(window_of(0, 1, &period_ns), HEAP_GOVERNOR_PERIOD_NS / 2);
	assert_int_equal(window_of(0, 0, &period_ns), HEAP_GOVERNOR_PERIOD_NS / 2);
}

static void test_windows_that_would_be_too_short_come_less_often(void **state)
{
	struct heap_spending period = {.cpu_ns = SECOND, .wall_ns = SECOND};
	uint64_t period_ns;
	uint64_t window_ns = heap_governor_window_ns(0.1, &period, SECOND, SECOND, &period_ns);

	(void)state;
	assert_int_equal(window_ns, HEAP_GOVERNOR_MIN_WINDOW_NS);
	/* 3 ms each 3.75 s are 0.08 %. */
	assert_in_range(period_ns, 3700000000, 3800000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_budget_is_a_share_of_a_busy_target_s_time),
		cmocka_unit_test(test_an_idle_target_may_be_cost_what_it_does_not_use),
		cmocka_unit_test(test_cost_counts_every_hit),
		cmocka_unit_test(test_what_operators_return_is_looked_at_when_it_fits),
		cmocka_unit_test(test_the_time_that_is_lost_in_windows_is_the_aim),
		cmocka_unit_test(test_cheap_windows_grow_to_half_of_the_time),
		cmocka_unit_test(test_windows_that_would_be_too_short_come_less_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
