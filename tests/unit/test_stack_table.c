/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/stack_table.h"

#include "common/frame.h"
#include "tests/unit/cmocka_all.h"

/* Frames of module 2, by offset. */
#define AT(offset) (UINT64_C(2) << FRAME_OFFSET_BITS | (offset))

static void test_equal_stacks_are_one(void **state)
{
	static const uint64_t stack[] = {AT(3), AT(2), AT(1)};
	static const uint64_t sibling[] = {AT(4), AT(2), AT(1)};
	_cleanup_(stack_table_freep) struct stack_table *table = stack_table_new();

	(void)state;
	uint32_t first = stack_table_add(table, stack, 3);
	assert_int_equal(stack_table_add(table, stack, 3), first);
	assert_int_not_equal(stack_table_add(table, sibling, 3), first);
	assert_int_equal(stack_table_count(table), 4);
	assert_int_equal(stack_table_address(table, first), AT(3));
	uint32_t root = stack_table_parent(table, stack_table_parent(table, first));
	assert_int_equal(stack_table_address(table, root), AT(1));
	assert_int_equal(stack_table_parent(table, root), STACK_NONE);
}

static void test_a_stack_may_go_on_from_another(void **state)
{
	static const uint64_t sleeper[] = {AT(2), AT(1)};
	static const uint64_t waker[] = {AT(9), AT(8)};
	static const uint64_t both[] = {AT(9), AT(8), AT(2), AT(1)};
	_cleanup_(stack_table_freep) struct stack_table *table = stack_table_new();

	(void)state;
	uint32_t base = stack_table_add(table, sleeper, 2);
	uint32_t joined = stack_table_add_to(table, base, waker, 2);
	assert_int_equal(stack_table_add(table, both, 4), joined);
	assert_int_equal(stack_table_add_to(table, base, NULL, 0), base);
	assert_int_equal(stack_table_count(table), 4);
}

static void test_an_empty_stack_is_none(void **state)
{
	_cleanup_(stack_table_freep) struct stack_table *table = stack_table_new();

	(void)state;
	assert_int_equal(stack_table_add(table, NULL, 0), STACK_NONE);
	stack_table_release(table, STACK_NONE);
}

static void test_the_last_reference_frees_what_nobody_shares(void **state)
{
	static const uint64_t deep[] = {AT(3), AT(2), AT(1)};
	_cleanup_(stack_table_freep) struct stack_table *table = stack_table_new();

	(void)state;
	uint32_t whole = stack_table_add(table, deep, 3);
	uint32_t prefix = stack_table_add(table, deep + 1, 2);
	stack_table_release(table, whole);
	assert_int_equal(stack_table_count(table), 2);
	assert_int_equal(stack_table_address(table, prefix), AT(2));
	stack_table_release(table, prefix);
	assert_int_equal(stack_table_count(table), 0);
}

static void test_memory_stays_flat_when_stacks_come_and_go(void **state)
{
	enum { DEPTH = 50, ALIVE = 100 };
	_cleanup_(stack_table_freep) struct stack_table *table = stack_table_new();
	uint64_t addresses[DEPTH];
	uint32_t alive[ALIVE];

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		for (uint32_t depth = 0; depth < DEPTH; depth++)
			addresses[depth] = AT(depth < 5 ? (uint64_t)i * 10 + depth : depth);
		if (i >= ALIVE)
			stack_table_release(table, alive[i % ALIVE]);
		alive[i % ALIVE] = stack_table_add(table, addresses, DEPTH);
	}
	assert_int_equal(stack_table_count(table), ALIVE * 5 + DEPTH - 5);
	assert_true(stack_table_limit(table) <= (ALIVE + 1) * 5 + DEPTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_stacks_are_one),
		cmocka_unit_test(test_a_stack_may_go_on_from_another),
		cmocka_unit_test(test_an_empty_stack_is_none),
		cmocka_unit_test(test_the_last_reference_frees_what_nobody_shares),
		cmocka_unit_test(test_memory_stays_flat_when_stacks_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
