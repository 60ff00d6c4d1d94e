/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/bucket_ring.h"

#include <errno.h>

#include "common/clock.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define SECOND NS_PER_SECOND

/* A history of ten one-second buckets that starts at second 100. */
struct fixture {
	struct stack_table *stacks;
	struct process_table *processes;
	struct bucket_ring *ring;
};

static void make(struct fixture *fixture, size_t memory_bytes)
{
	fixture->stacks = stack_table_new();
	fixture->processes = process_table_new();
	fixture->ring = bucket_ring_new(SECOND, 10 * SECOND, memory_bytes, fixture->stacks,
					fixture->processes, 100 * SECOND);
}

static int set_up(void **state)
{
	struct fixture *fixture = memory_new(sizeof(*fixture));

	make(fixture, 1 << 20);
	*state = fixture;
	return 0;
}

static void destroy(struct fixture *fixture)
{
	bucket_ring_free(fixture->ring);
	process_table_free(fixture->processes);
	stack_table_free(fixture->stacks);
}

static int tear_down(void **state)
{
	destroy(*state);
	free(*state);
	return 0;
}

static int add(struct fixture *fixture, uint64_t time_ns, uint64_t address, uint32_t tid)
{
	struct record_sample sample = {.pid = 1, .tid = tid};
	uint32_t stack = stack_table_add(fixture->stacks, &address, 1);
	uint32_t thread = process_table_add(fixture->processes, &sample);
	int error = bucket_ring_add(fixture->ring, time_ns, EVENT_CPU, thread, stack, 10);

	if (error) {
		stack_table_release(fixture->stacks, stack);
		process_table_release(fixture->processes, thread);
	}
	return error;
}

/* Samples in buckets that start in [from, to) seconds. */
static uint32_t count(const struct fixture *fixture, uint64_t from, uint64_t to)
{
	const struct bucket *bucket;
	uint64_t at = from * SECOND;
	uint32_t samples = 0;

	while ((bucket = bucket_ring_next(fixture->ring, at, to * SECOND))) {
		for (uint32_t i = 0; i < bucket->row_count; i++)
			samples += bucket->rows[i].count;
		at = bucket->start_ns + 1;
	}
	return samples;
}

static void test_equal_samples_share_a_row(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 5; i++)
		assert_int_equal(add(fixture, 100 * SECOND + 7, 1000, 1), 0);
	assert_int_equal(add(fixture, 100 * SECOND + 8, 1000, 2), 0);
	assert_int_equal(add(fixture, 100 * SECOND + 9, 2000, 1), 0);
	const struct bucket *bucket = bucket_ring_next(fixture->ring, 0, UINT64_MAX);
	assert_int_equal(bucket->row_count, 3);
	assert_int_equal(bucket->rows[0].count, 5);
	assert_int_equal(bucket->rows[0].weight, 50);
	assert_true(bucket->rows[0].variance == 500);
}

static void test_a_window_is_whole_buckets_of_what_is_held(void **state)
{
	struct fixture *fixture = *state;
	struct bucket_window window = {102 * SECOND + 5, 104 * SECOND + 1};

	for (uint64_t second = 100; second < 106; second++)
		assert_int_equal(add(fixture, second * SECOND, 1, 1), 0);
	assert_int_equal(bucket_ring_clip(fixture->ring, &window), 0);
	assert_int_equal(window.from_ns, 102 * SECOND);
	assert_int_equal(window.to_ns, 105 * SECOND);
	assert_int_equal(count(fixture, 102, 105), 3);

	window = (struct bucket_window){0, 101 * SECOND};
	assert_int_equal(bucket_ring_clip(fixture->ring, &window), 0);
	assert_int_equal(window.from_ns, 100 * SECOND);
	window = (struct bucket_window){0, 99 * SECOND};
	assert_int_equal(bucket_ring_clip(fixture->ring, &window), -ENODATA);
	window = (struct bucket_window){103 * SECOND, 102 * SECOND};
	assert_int_equal(bucket_ring_clip(fixture->ring, &window), -ENODATA);
}

static void test_the_oldest_leave_when_the_retention_is_over(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t second = 100; second < 130; second++) {
		assert_int_equal(add(fixture, second * SECOND, second, 1), 0);
		bucket_ring_evict(fixture->ring, second * SECOND);
	}
	assert_int_equal(bucket_ring_oldest_ns(fixture->ring), 119 * SECOND);
	assert_int_equal(count(fixture, 0, 200), 11);
	assert_int_equal(stack_table_count(fixture->stacks), 11);
	assert_int_equal(add(fixture, 118 * SECOND, 1, 1), -ETIME);
	bucket_ring_evict(fixture->ring, 1000 * SECOND);
	assert_int_equal(count(fixture, 0, 2000), 0);
	assert_int_equal(stack_table_count(fixture->stacks), 0);
	assert_int_equal(process_table_bytes(fixture->processes), 0);
}

static void test_a_late_sample_goes_into_its_own_bucket(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t second = 100; second < 108; second++)
		assert_int_equal(add(fixture, second * SECOND, 1, 1), 0);
	assert_int_equal(add(fixture, 101 * SECOND, 1, 1), 0);
	assert_int_equal(count(fixture, 101, 102), 2);
	assert_int_equal(count(fixture, 102, 103), 1);
}

static void test_a_long_pause_forgets_everything_at_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(add(fixture, 100 * SECOND, 1, 1), 0);
	assert_int_equal(add(fixture, UINT64_C(100000000) * SECOND, 2, 1), 0);
	assert_int_equal(count(fixture, 0, 200000000), 1);
	assert_int_equal(stack_table_count(fixture->stacks), 1);
}

static void test_memory_bounds_how_far_the_past_reaches(void **state)
{
	struct fixture small;

	(void)state;
	make(&small, 64 * 1024);
	for (uint64_t second = 100; second < 105; second++) {
		for (uint64_t address = 0; address < 300; address++)
			assert_int_equal(add(&small, second * SECOND, second * 1000 + address, 1),
					 0);
		bucket_ring_evict(small.ring, second * SECOND);
		assert_true(bucket_ring_bytes(small.ring) <= 64 * 1024);
	}
	assert_true(bucket_ring_oldest_ns(small.ring) > 101 * SECOND);
	assert_true(bucket_ring_is_short_of_memory(small.ring));
	assert_int_equal(count(&small, 104, 105), 300);
	destroy(&small);
}

/* Weight of what is at address, in [from, to) seconds. */
static uint64_t weight_at(const struct fixture *fixture, uint64_t from, uint64_t to,
			  uint64_t address)
{
	const struct bucket *bucket;
	uint64_t from_ns = from * SECOND, sum = 0;

	while ((bucket = bucket_ring_next(fixture->ring, from_ns, to * SECOND))) {
		from_ns = bucket->start_ns + 1;
		for (uint32_t i = 0; i < bucket->row_count; i++)
			if (bucket->rows[i].weight &&
			    stack_table_address(fixture->stacks, bucket->rows[i].stack) == address)
				sum += bucket->rows[i].weight;
	}
	return sum;
}

static void test_what_was_said_of_one_stack_can_move_to_another(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = 1, after = 2;

	for (uint64_t second = 100; second < 108; second++)
		assert_int_equal(add(fixture, second * SECOND, before, 1), 0);
	assert_int_equal(add(fixture, 107 * SECOND, after, 1), 0);
	const struct bucket *bucket = bucket_ring_next(fixture->ring, 107 * SECOND, 108 * SECOND);
	uint32_t thread = bucket->rows[0].thread, event = bucket->rows[0].event;
	uint32_t from = stack_table_add(fixture->stacks, &before, 1);
	uint32_t to = stack_table_add(fixture->stacks, &after, 1);
	/* Old buckets have no index any more, new ones have. */
	bucket_ring_move(fixture->ring, 102 * SECOND + 1, 108 * SECOND, event, thread, from, to);
	stack_table_release(fixture->stacks, from);
	stack_table_release(fixture->stacks, to);
	assert_int_equal(weight_at(fixture, 100, 108, before), 20);
	assert_int_equal(weight_at(fixture, 100, 108, after), 70);
	assert_int_equal(weight_at(fixture, 107, 108, after), 20);
	/* More of both comes: they are still told apart. */
	assert_int_equal(add(fixture, 107 * SECOND, before, 1), 0);
	assert_int_equal(add(fixture, 107 * SECOND, after, 1), 0);
	assert_int_equal(weight_at(fixture, 107, 108, before), 10);
	assert_int_equal(weight_at(fixture, 107, 108, after), 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_equal_samples_share_a_row, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_window_is_whole_buckets_of_what_is_held,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_oldest_leave_when_the_retention_is_over,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_late_sample_goes_into_its_own_bucket, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_long_pause_forgets_everything_at_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_was_said_of_one_stack_can_move_to_another,
						set_up, tear_down),
		cmocka_unit_test(test_memory_bounds_how_far_the_past_reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
