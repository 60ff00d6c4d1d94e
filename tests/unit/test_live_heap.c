/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/live_heap.h"

#include <errno.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define AT(offset) (UINT64_C(2) << FRAME_OFFSET_BITS | (offset))
#define NOW        UINT64_MAX

struct fixture {
	struct stack_table *stacks;
	struct live_heap *heap;
	uint32_t leaking; /* two stacks */
	uint32_t caching;
};

static int set_up(void **state)
{
	static const uint64_t leaking[] = {AT(3), AT(1)}, caching[] = {AT(4), AT(1)};
	struct fixture *fixture = memory_new(sizeof(*fixture));

	fixture->stacks = stack_table_new();
	fixture->heap = live_heap_new(fixture->stacks);
	fixture->leaking = stack_table_add(fixture->stacks, leaking, 2);
	fixture->caching = stack_table_add(fixture->stacks, caching, 2);
	*state = fixture;
	return 0;
}

/* Nothing may be left of the stacks that the heap referred to. */
static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	live_heap_free(fixture->heap);
	stack_table_release(fixture->stacks, fixture->leaking);
	stack_table_release(fixture->stacks, fixture->caching);
	assert_int_equal(stack_table_count(fixture->stacks), 0);
	stack_table_free(fixture->stacks);
	free(fixture);
	return 0;
}

static void allocate(struct fixture *fixture, uint64_t address, uint64_t size, uint32_t stack)
{
	assert_int_equal(live_heap_allocated(fixture->heap, 1, address, size, stack, 1), 0);
}

static void test_marked_blocks_can_be_forgotten(void **state)
{
	struct fixture *fixture = *state;

	allocate(fixture, 0x1000, 100, fixture->leaking);
	allocate(fixture, 0x2000, 50, fixture->leaking);
	allocate(fixture, 0x3000, 7, fixture->caching);
	live_heap_mark(fixture->heap, 0x1000);
	live_heap_mark(fixture->heap, 0x3000);
	live_heap_mark(fixture->heap, 0x4000);
	/* The mark goes with the block, not with the address. */
	assert_int_equal(live_heap_freed(fixture->heap, 0x3000), 1);
	allocate(fixture, 0x3000, 9, fixture->caching);
	live_heap_forget_marked(fixture->heap);
	assert_int_equal(live_heap_bytes(fixture->heap), 59);
	assert_int_equal(live_heap_freed(fixture->heap, 0x1000), 0);
	assert_int_equal(live_heap_freed(fixture->heap, 0x2000), 1);
	assert_int_equal(live_heap_freed(fixture->heap, 0x3000), 1);
}

static void test_what_is_freed_is_not_held(void **state)
{
	struct fixture *fixture = *state;

	allocate(fixture, 0x1000, 100, fixture->leaking);
	allocate(fixture, 0x2000, 50, fixture->caching);
	assert_int_equal(live_heap_freed(fixture->heap, 0x1000), 1);
	assert_int_equal(live_heap_freed(fixture->heap, 0x1000), 0);
	assert_int_equal(live_heap_bytes(fixture->heap), 50);
	assert_int_equal(live_heap_count(fixture->heap), 1);
}

static void test_a_block_twice_means_that_a_free_was_missed(void **state)
{
	struct fixture *fixture = *state;

	allocate(fixture, 0x1000, 100, fixture->leaking);
	assert_int_equal(live_heap_allocated(fixture->heap, 1, 0x1000, 30, fixture->caching, 1), 1);
	assert_int_equal(live_heap_bytes(fixture->heap), 30);
}

static void test_realloc_moves_a_block(void **state)
{
	struct fixture *fixture = *state;

	allocate(fixture, 0x1000, 100, fixture->leaking);
	live_heap_moving(fixture->heap, 7, 0x1000);
	assert_int_equal(live_heap_bytes(fixture->heap), 0);
	/* Another thread gets the address before the call is over. */
	assert_int_equal(live_heap_allocated(fixture->heap, 8, 0x1000, 5, fixture->caching, 1), 0);
	assert_int_equal(live_heap_allocated(fixture->heap, 7, 0x3000, 200, fixture->leaking, 1),
			 0);
	assert_int_equal(live_heap_bytes(fixture->heap), 205);
	/* What was moved is forgotten. */
	live_heap_stayed(fixture->heap, 7);
	assert_int_equal(live_heap_bytes(fixture->heap), 205);
}

static void test_a_realloc_that_fails_leaves_the_block(void **state)
{
	struct fixture *fixture = *state;

	allocate(fixture, 0x1000, 100, fixture->leaking);
	live_heap_moving(fixture->heap, 7, 0x1000);
	live_heap_look(fixture->heap);
	live_heap_stayed(fixture->heap, 7);
	assert_int_equal(live_heap_bytes(fixture->heap), 100);
	assert_int_equal(live_heap_freed(fixture->heap, 0x1000), 1);
	live_heap_moving(fixture->heap, 7, 0x9000);
	live_heap_stayed(fixture->heap, 7);
	assert_int_equal(live_heap_bytes(fixture->heap), 0);
}

static void test_only_what_is_old_enough_is_reported(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	assert_int_equal(live_heap_allocated(fixture->heap, 1, 0x1000, 10, fixture->leaking, 100),
			 0);
	assert_int_equal(live_heap_allocated(fixture->heap, 1, 0x2000, 7, fixture->leaking, 200),
			 0);
	_cleanup_free_ struct live_sum *sums = live_heap_report(fixture->heap, 150, 0, &count);
	assert_int_equal(count, 1);
	assert_true(sums[0].bytes == 10 && sums[0].count == 1);
	assert_true(sums[0].all_bytes == 17 && sums[0].all_count == 2);
	assert_int_equal(sums[0].oldest_ns, 100);
}

/* A leak among churn, beside a cache that is filled at once and one whose size goes up and down. */
static void test_what_grows_again_and_again_is_told_from_a_cache(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	for (uint64_t i = 0; i < 50; i++)
		allocate(fixture, 0x100000 + i * 0x100, 4096, fixture->caching);
	for (uint64_t second = 0; second < 100; second++) {
		for (uint64_t i = 0; i < 10; i++)
			allocate(fixture, 0x800000 + i * 0x1000, 1000, fixture->leaking);
		allocate(fixture, 0x200000 + second * 0x100, 64, fixture->leaking);
		for (uint64_t i = 0; i < 10; i++)
			live_heap_freed(fixture->heap, 0x800000 + i * 0x1000);
		if (second % 3 == 0)
			live_heap_freed(fixture->heap, 0x100000 + second % 50 * 0x100);
		live_heap_look(fixture->heap);
	}
	_cleanup_free_ struct live_sum *sums = live_heap_report(fixture->heap, NOW, 0, &count);
	assert_int_equal(count, 2);
	assert_int_equal(sums[0].stack, fixture->caching);
	assert_false(sums[0].trend.is_rising);
	assert_int_equal(sums[1].stack, fixture->leaking);
	assert_true(sums[1].trend.is_rising);
	assert_in_range(sums[1].seen_ns, 95 * NS_PER_SECOND, 100 * NS_PER_SECOND);
	/* 64 bytes a second. */
	assert_in_range((uint64_t)(sums[1].trend.growth * 60), 3500, 4200);
}

static void test_few_looks_prove_nothing(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	for (uint64_t i = 0; i < 3; i++) {
		allocate(fixture, 0x1000 + i * 0x100, 64, fixture->leaking);
		live_heap_look(fixture->heap);
	}
	_cleanup_free_ struct live_sum *sums = live_heap_report(fixture->heap, NOW, 0, &count);
	assert_false(sums[0].trend.is_rising);
}

static void test_stacks_that_hold_nothing_give_way_to_others(void **state)
{
	struct fixture *fixture = *state;
	size_t count;

	for (int i = 0; i < 1000; i++) {
		uint64_t frames[] = {AT(100 + (uint64_t)i), AT(1)};
		uint32_t stack = stack_table_add(fixture->stacks, frames, 2);

		allocate(fixture, 0x1000, 8, stack);
		stack_table_release(fixture->stacks, stack);
		live_heap_freed(fixture->heap, 0x1000);
		live_heap_look(fixture->heap);
	}
	/* The two of the fixture and their common root are left. */
	assert_int_equal(stack_table_count(fixture->stacks), 3);
	_cleanup_free_ struct live_sum *sums = live_heap_report(fixture->heap, NOW, 0, &count);
	assert_int_equal(count, 0);
}

static int allocate_by_another_stack(struct fixture *fixture, uint32_t number)
{
	const uint64_t frames[] = {AT(0x1000 + (uint64_t)number)};
	uint32_t stack = stack_table_add(fixture->stacks, frames, 1);
	int result =
		live_heap_allocated(fixture->heap, 1, (uint64_t)(number + 1) * 16, 1, stack, 1);

	stack_table_release(fixture->stacks, stack);
	return result;
}

static void test_stacks_are_limited(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t i = 0; i < LIVE_HEAP_MAX_STACKS; i++)
		assert_int_equal(allocate_by_another_stack(fixture, i), 0);
	assert_int_equal(allocate_by_another_stack(fixture, LIVE_HEAP_MAX_STACKS), -E2BIG);
	/* Those that are there may hold more. */
	assert_int_equal(allocate_by_another_stack(fixture, 0), 1);
	/* What holds nothing any more makes room, wherever it was. */
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(live_heap_freed(fixture->heap, UINT64_C(160) / i), 1);
		live_heap_look(fixture->heap);
		assert_int_equal(allocate_by_another_stack(fixture, LIVE_HEAP_MAX_STACKS + i), 0);
	}
	assert_int_equal(allocate_by_another_stack(fixture, LIVE_HEAP_MAX_STACKS), -E2BIG);
	assert_int_equal(live_heap_count(fixture->heap), LIVE_HEAP_MAX_STACKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_freed_is_not_held, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_marked_blocks_can_be_forgotten, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_a_block_twice_means_that_a_free_was_missed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_realloc_moves_a_block, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_realloc_that_fails_leaves_the_block, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_only_what_is_old_enough_is_reported, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_grows_again_and_again_is_told_from_a_cache, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_few_looks_prove_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stacks_that_hold_nothing_give_way_to_others,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stacks_are_limited, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
