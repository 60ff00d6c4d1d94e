/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/pacing.h"

#include "common/clock.h"
#include "tests/unit/cmocka_all.h"

/* A second of a busy CPU, with a budget of one percent of it. */
static struct pacing_usage second(uint64_t hits, uint64_t walk_ns)
{
	return (struct pacing_usage){
		.hits = hits,
		.peak = hits,
		.walk_ns = walk_ns,
		.attached_ns = NS_PER_SECOND,
		.cpu_ns = NS_PER_SECOND,
		.elapsed_ns = NS_PER_SECOND,
		.hit_ns = PACING_HIT_NS,
		.share = 1,
		.budget_percent = 1,
	};
}

static void little_is_looked_at_in_full(void **state)
{
	struct pacing pacing;
	struct pacing_usage usage = second(5000, 1000000);

	(void)state;
	pacing_init(&pacing);
	pacing_adjust(&pacing, &usage);
	assert_true(pacing.duty == 1);
	assert_true(pacing.hz == PACING_MAX_HZ);
	assert_true(pacing.keep == 1);
}

static void many_switches_have_the_hooks_attached_for_a_while_only(void **state)
{
	struct pacing pacing;

	(void)state;
	pacing_init(&pacing);
	for (int i = 0; i < 10; i++) {
		struct pacing_usage usage = second((uint64_t)(150000 * pacing.duty), 0);

		usage.attached_ns = (uint64_t)((double)NS_PER_SECOND * pacing.duty);
		pacing_adjust(&pacing, &usage);
	}
	/* Of 150000 a second 10000 are seen in any case; the budget pays for 26666. */
	assert_true(pacing.duty > 0.17 && pacing.duty < 0.19);
	struct pacing_usage calm = second(1000, 0);
	pacing_adjust(&pacing, &calm);
	assert_true(pacing.duty == 1);
}

static void many_walks_become_fewer_for_each_thread(void **state)
{
	struct pacing pacing;

	(void)state;
	pacing_init(&pacing);
	/* Walks cost 100 us a second for each hertz. */
	for (int i = 0; i < 20; i++) {
		struct pacing_usage usage =
			second(1000, (uint64_t)(pacing.hz * pacing.keep * 1000000));

		pacing_adjust(&pacing, &usage);
	}
	assert_true(pacing.hz == PACING_MIN_HZ);
	assert_true(pacing.keep > 0.39 && pacing.keep < 0.41);
	for (int i = 0; i < 20; i++) {
		struct pacing_usage usage = second(1000, 1000);

		pacing_adjust(&pacing, &usage);
	}
	assert_true(pacing.hz == PACING_MAX_HZ);
	assert_true(pacing.keep == 1);
}

static void without_a_budget_there_is_no_limit(void **state)
{
	struct pacing pacing;
	struct pacing_usage usage = second(1000000, NS_PER_SECOND / 2);

	(void)state;
	usage.budget_percent = 0;
	pacing_init(&pacing);
	pacing_adjust(&pacing, &usage);
	assert_true(pacing.duty == 1 && pacing.hz == PACING_MAX_HZ);
}

static void nothing_that_passed_changes_nothing(void **state)
{
	struct pacing pacing;
	struct pacing_usage usage = {0};

	(void)state;
	pacing_init(&pacing);
	pacing_adjust(&pacing, &usage);
	assert_true(pacing.duty == 1);
	assert_int_equal(pacing_cost(&usage).spent_ns, 0);
}

static void cost_is_hits_walks_and_looks(void **state)
{
	struct pacing_usage usage = second(10000, 2000000);
	struct cost cost;

	(void)state;
	usage.look_ns = 500000;
	usage.hit_ns = 250;
	cost = pacing_cost(&usage);
	assert_int_equal(cost.spent_ns, 2500000 + 2000000 + 500000);
	assert_int_equal(cost.base_ns, NS_PER_SECOND);
	assert_int_equal(cost.allowed_ns, NS_PER_SECOND / 100);
	/* Who hardly runs is not said to be slowed down by much. */
	usage.cpu_ns = 1000;
	cost = pacing_cost(&usage);
	assert_int_equal(cost.base_ns, (uint64_t)(PACING_LEAST_CPU * (double)NS_PER_SECOND));
}

static void a_dear_hook_is_attached_for_less_of_the_time(void **state)
{
	struct pacing cheap, dear;
	struct pacing_usage usage = second(150000, 0);

	(void)state;
	pacing_init(&cheap);
	usage.budget_percent = 4;
	usage.hit_ns = 150;
	pacing_adjust(&cheap, &usage);
	pacing_init(&dear);
	usage.hit_ns = 300;
	pacing_adjust(&dear, &usage);
	assert_true(dear.duty < 0.6 * cheap.duty);
}

static void page_faults_alone_get_a_tenth(void **state)
{
	struct pacing pacing;
	struct pacing_usage usage = second(30000, 0);

	(void)state;
	usage.share = PACING_FAULT_SHARE;
	pacing_init(&pacing);
	pacing_adjust(&pacing, &usage);
	/* Half of 0.08 % of a CPU is 400 us: 2666 hits. */
	assert_true(pacing.duty > 0.08 && pacing.duty < 0.1);
	assert_int_equal(pacing_cost(&usage).allowed_ns, NS_PER_SECOND / 1000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(little_is_looked_at_in_full),
		cmocka_unit_test(many_switches_have_the_hooks_attached_for_a_while_only),
		cmocka_unit_test(many_walks_become_fewer_for_each_thread),
		cmocka_unit_test(without_a_budget_there_is_no_limit),
		cmocka_unit_test(page_faults_alone_get_a_tenth),
		cmocka_unit_test(cost_is_hits_walks_and_looks),
		cmocka_unit_test(a_dear_hook_is_attached_for_less_of_the_time),
		cmocka_unit_test(nothing_that_passed_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
