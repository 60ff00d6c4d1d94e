/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/sum_table.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/processes/process_table.h"
#include "tests/unit/cmocka_all.h"

#define SECOND NS_PER_SECOND

struct fixture {
	struct stack_table *stacks;
	struct process_table *processes;
	struct bucket_ring *ring;
	struct sum_table *sums;
	uint64_t dropped; /* the id that was dropped last */
};

static int set_up(void **state)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));

	fixture->stacks = stack_table_new();
	fixture->processes = process_table_new();
	fixture->ring = bucket_ring_new(SECOND, 10 * SECOND, 1 << 20, fixture->stacks,
					fixture->processes, 100 * SECOND);
	fixture->sums = sum_table_new(fixture->ring, fixture->processes, fixture->stacks);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sum_table_free(fixture->sums);
	bucket_ring_free(fixture->ring);
	/* Whoever held something has given it back. */
	assert_int_equal(stack_table_count(fixture->stacks), 0);
	process_table_free(fixture->processes);
	stack_table_free(fixture->stacks);
	free(fixture);
	return 0;
}

static void announce(struct fixture *fixture, uint64_t id, uint64_t now_ns)
{
	struct record_sample sample = {.pid = 1, .tid = 1};
	uint64_t blocked = 10 + id, waited = 20 + id;
	struct sum_stack stack = {
		.id = id,
		.event = EVENT_OFFCPU,
		.thread = process_table_add(fixture->processes, &sample),
		.stacks = {stack_table_add(fixture->stacks, &blocked, 1),
			   stack_table_add(fixture->stacks, &waited, 1)},
	};

	sum_table_add(fixture->sums, &stack, now_ns);
}

/* Weight of the rows of an event in the bucket of that second. */
static uint64_t weight(const struct fixture *fixture, uint64_t second, uint32_t event)
{
	const struct bucket *bucket =
		bucket_ring_next(fixture->ring, second * SECOND, (second + 1) * SECOND);
	uint64_t sum = 0;

	for (uint32_t i = 0; bucket && i < bucket->row_count; i++)
		if (bucket->rows[i].event == event)
			sum += bucket->rows[i].weight;
	return sum;
}

static int apply(struct fixture *fixture, uint64_t id, const struct sum *sum)
{
	uint32_t thread;

	return sum_table_apply(fixture->sums, id, sum, 100 * SECOND, 101 * SECOND, &thread);
}

static void only_what_was_added_since_the_last_time_counts(void **state)
{
	struct fixture *fixture = *state;
	struct sum sum = {.count = 2, .parts = {{.weight = 100}, {.weight = 7}}};

	announce(fixture, 1, 100 * SECOND);
	assert_int_equal(apply(fixture, 1, &sum), 2);
	assert_int_equal(apply(fixture, 1, &sum), 0);
	sum.count = 3;
	sum.parts[SUM_BLOCKED].weight = 150;
	assert_int_equal(apply(fixture, 1, &sum), 1);
	assert_int_equal(weight(fixture, 100, EVENT_OFFCPU), 150);
	assert_int_equal(weight(fixture, 100, EVENT_RUNQUEUE), 7);
}

static void a_stack_that_was_not_announced_is_refused(void **state)
{
	struct sum sum = {.count = 1, .parts = {{.weight = 100}}};

	assert_int_equal(apply(*state, 9, &sum), -ENOENT);
}

static void time_is_spread_over_the_buckets_that_it_lies_in(void **state)
{
	struct fixture *fixture = *state;
	struct sum sum = {.count = 1, .parts = {{.weight = 2001}}};
	uint32_t thread;

	announce(fixture, 1, 100 * SECOND);
	assert_int_equal(sum_table_apply(fixture->sums, 1, &sum, 100 * SECOND + SECOND / 2,
					 102 * SECOND + SECOND / 2, &thread),
			 1);
	assert_int_equal(weight(fixture, 100, EVENT_OFFCPU), 500);
	assert_int_equal(weight(fixture, 101, EVENT_OFFCPU), 1000);
	assert_int_equal(weight(fixture, 102, EVENT_OFFCPU), 501);
}

static void on_dropped(void *context, uint64_t id)
{
	struct fixture *fixture = context;

	fixture->dropped = id;
}

static void what_is_not_used_is_dropped(void **state)
{
	struct fixture *fixture = *state;
	struct sum sum = {.count = 1, .parts = {{.weight = 1}}};
	uint64_t id = 0;

	announce(fixture, 1, 10 * SECOND);
	announce(fixture, 2, 10 * SECOND);
	assert_int_equal(apply(fixture, 2, &sum), 1);
	sum_table_evict(fixture->sums, 50 * SECOND + SUM_TABLE_IDLE_NS, on_dropped, fixture);
	assert_int_equal(fixture->dropped, 1);
	assert_int_equal(sum_table_count(fixture->sums), 1);
	sum_table_ids(fixture->sums, &id);
	assert_int_equal(id, 2);
	assert_int_equal(apply(fixture, 1, &sum), -ENOENT);
	announce(fixture, 1, 60 * SECOND);
	assert_int_equal(apply(fixture, 1, &sum), 1);
}

static uint32_t add_thread(const struct fixture *fixture, uint32_t tid, const char *name)
{
	struct record_sample sample = {.pid = 1, .tid = tid};

	strcpy(sample.process_name, name);
	return process_table_add(fixture->processes, &sample);
}

/* Whatever the thread was called; another one of the process is not concerned. */
static void what_belongs_to_a_thread_that_ended_is_dropped_soon(void **state)
{
	struct fixture *fixture = *state;
	uint32_t renamed = add_thread(fixture, 1, "renamed"), other = add_thread(fixture, 2, "");
	uint64_t now_ns = 100 * SECOND;

	announce(fixture, 1, now_ns);
	sum_table_evict(fixture->sums, now_ns, on_dropped, fixture);
	sum_table_end(fixture->sums, other);
	for (int i = 0; i < 5; i++)
		sum_table_evict(fixture->sums, now_ns += SECOND, on_dropped, fixture);
	assert_int_equal(sum_table_count(fixture->sums), 1);
	sum_table_end(fixture->sums, renamed);
	/* Not as long as it may be on its way out. */
	sum_table_evict(fixture->sums, now_ns + SECOND / 2, on_dropped, fixture);
	sum_table_evict(fixture->sums, now_ns += SECOND, on_dropped, fixture);
	assert_int_equal(sum_table_count(fixture->sums), 1);
	sum_table_evict(fixture->sums, now_ns += SECOND, on_dropped, fixture);
	assert_int_equal(sum_table_count(fixture->sums), 0);
	assert_int_equal(fixture->dropped, 1);
	process_table_release(fixture->processes, renamed);
	process_table_release(fixture->processes, other);
}

static void a_stack_that_is_announced_again_starts_anew(void **state)
{
	struct fixture *fixture = *state;
	struct sum sum = {.count = 1, .parts = {{.weight = 100}}};

	announce(fixture, 1, 100 * SECOND);
	assert_int_equal(apply(fixture, 1, &sum), 1);
	announce(fixture, 1, 100 * SECOND);
	assert_int_equal(apply(fixture, 1, &sum), 1);
	assert_int_equal(weight(fixture, 100, EVENT_OFFCPU), 200);
}

static void test_a_sleep_can_be_given_to_its_waker_afterwards(void **state)
{
	struct fixture *fixture = *state;
	struct sum sum = {.count = 1, .parts = {{.weight = 700, .certain = 700}}};
	struct sum none = {0};
	uint32_t thread;

	announce(fixture, 1, 100 * SECOND);
	announce(fixture, 2, 100 * SECOND);
	assert_int_equal(
		sum_table_apply(fixture->sums, 1, &sum, 100 * SECOND, 101 * SECOND, &thread), 1);
	sum_table_move(fixture->sums, 1, 2, 100 * SECOND);
	sum_table_move(fixture->sums, 1, 3, 100 * SECOND); /* not known */
	/* Only when the look is over. */
	assert_int_equal(
		sum_table_apply(fixture->sums, 2, &none, 101 * SECOND, 102 * SECOND, &thread), 0);
	sum_table_settle(fixture->sums, 102 * SECOND);
	const struct bucket *bucket = bucket_ring_next(fixture->ring, 100 * SECOND, 101 * SECOND);
	uint64_t of_waker = 0;
	for (uint32_t i = 0; i < bucket->row_count; i++)
		if (bucket->rows[i].weight &&
		    stack_table_address(fixture->stacks, bucket->rows[i].stack) == 12)
			of_waker += bucket->rows[i].weight;
	assert_int_equal(of_waker, 700);
	assert_int_equal(weight(fixture, 100, EVENT_OFFCPU), 700);
	/* What is asked for and never settled is given back all the same. */
	sum_table_move(fixture->sums, 1, 2, 100 * SECOND);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_was_added_since_the_last_time_counts,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stack_that_was_not_announced_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(time_is_spread_over_the_buckets_that_it_lies_in,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_used_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_belongs_to_a_thread_that_ended_is_dropped_soon,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stack_that_is_announced_again_starts_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_sleep_can_be_given_to_its_waker_afterwards,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
