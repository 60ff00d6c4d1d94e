/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/reconcile.h"

#include "tests/unit/cmocka_all.h"

enum { THREAD, OTHER, THREADS };

static struct bucket_row row(uint32_t event, uint64_t weight, float certain)
{
	return (struct bucket_row){.thread = THREAD,
				   .event = event,
				   .count = 1,
				   .weight = weight,
				   .certain = certain,
				   .variance = 4};
}

static void add(struct reconcile *reconcile, uint32_t event, uint64_t weight, float certain)
{
	struct bucket_row one = row(event, weight, certain);

	reconcile_add(reconcile, &one);
}

static uint64_t scaled(const struct reconcile *reconcile, uint32_t event, uint64_t weight,
		       float certain)
{
	struct bucket_row one = row(event, weight, certain);

	reconcile_scale(reconcile, &one);
	return one.weight;
}

static void estimates_are_scaled_to_what_was_used(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);
	struct bucket_row one = row(EVENT_OFFCPU, 300, 0);

	(void)state;
	add(reconcile, EVENT_OFFCPU, 300, 0);
	add(reconcile, EVENT_OFFCPU, 100, 0);
	add(reconcile, EVENT_TOTAL_OFFCPU, 800, 800);
	reconcile_scale(reconcile, &one);
	assert_int_equal(one.weight, 600);
	assert_true(one.variance > 15.9 && one.variance < 16.1);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 100, 0), 200);
}

static void what_was_measured_stays_as_it_is(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_OFFCPU, 500, 500);
	add(reconcile, EVENT_OFFCPU, 100, 0);
	add(reconcile, EVENT_TOTAL_OFFCPU, 800, 800);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 500, 500), 500);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 100, 0), 300);
}

static void without_estimates_everything_gives_way(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_OFFCPU, 1010, 1010);
	add(reconcile, EVENT_TOTAL_OFFCPU, 1000, 1000);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 1010, 1010), 1000);
}

static void kinds_of_time_are_kept_apart(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_CPU, 10, 0);
	add(reconcile, EVENT_RUNQUEUE, 10, 0);
	add(reconcile, EVENT_TOTAL_CPU, 20, 20);
	add(reconcile, EVENT_TOTAL_RUNQUEUE, 5, 5);
	add(reconcile, EVENT_OFFCPU, 25, 0);
	add(reconcile, EVENT_TOTAL_OFFCPU, 75, 75);
	assert_int_equal(scaled(reconcile, EVENT_CPU, 10, 0), 20);
	assert_int_equal(scaled(reconcile, EVENT_RUNQUEUE, 10, 0), 5);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 25, 0), 75);
	assert_int_equal(reconcile_missing(reconcile, THREAD, EVENT_CPU), 0);
}

static void time_without_any_stack_is_missing(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_OFFCPU, 10, 0);
	add(reconcile, EVENT_TOTAL_OFFCPU, 10, 10);
	add(reconcile, EVENT_TOTAL_CPU, 3, 3);
	assert_int_equal(reconcile_missing(reconcile, THREAD, EVENT_CPU), 3);
	assert_int_equal(reconcile_missing(reconcile, THREAD, EVENT_OFFCPU), 0);
}

static void who_blocks_without_a_stack_does_not_wait_for_a_cpu(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_RUNQUEUE, 10, 0);
	add(reconcile, EVENT_TOTAL_CPU, 20, 20);
	add(reconcile, EVENT_TOTAL_RUNQUEUE, 5, 5);
	add(reconcile, EVENT_TOTAL_OFFCPU, 50, 50);
	assert_int_equal(scaled(reconcile, EVENT_RUNQUEUE, 10, 0), 5);
	assert_int_equal(reconcile_missing(reconcile, THREAD, EVENT_OFFCPU), 50);
}

static void a_thread_that_was_not_looked_at_is_left_alone(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_OFFCPU, 10, 0);
	assert_int_equal(scaled(reconcile, EVENT_OFFCPU, 10, 0), 10);
	assert_int_equal(reconcile_missing(reconcile, THREAD, EVENT_OFFCPU), 0);
	assert_false(reconcile_slept(reconcile, THREAD));
	assert_false(reconcile_slept(reconcile, OTHER));
}

static void who_neither_ran_nor_waited_for_a_cpu_slept(void **state)
{
	_cleanup_(reconcile_freep) struct reconcile *reconcile = reconcile_new(THREADS);

	(void)state;
	add(reconcile, EVENT_TOTAL_OFFCPU, 10, 10);
	assert_true(reconcile_slept(reconcile, THREAD));
	add(reconcile, EVENT_TOTAL_RUNQUEUE, 1, 1);
	assert_false(reconcile_slept(reconcile, THREAD));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimates_are_scaled_to_what_was_used),
		cmocka_unit_test(what_was_measured_stays_as_it_is),
		cmocka_unit_test(without_estimates_everything_gives_way),
		cmocka_unit_test(kinds_of_time_are_kept_apart),
		cmocka_unit_test(time_without_any_stack_is_missing),
		cmocka_unit_test(who_blocks_without_a_stack_does_not_wait_for_a_cpu),
		cmocka_unit_test(a_thread_that_was_not_looked_at_is_left_alone),
		cmocka_unit_test(who_neither_ran_nor_waited_for_a_cpu_slept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
