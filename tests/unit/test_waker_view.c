/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/waker_view.h"

#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/history/stack_table.h"
#include "tests/unit/cmocka_all.h"

#define SLEEPER (UINT64_C(2) << FRAME_OFFSET_BITS)
#define WAKER   (UINT64_C(3) << FRAME_OFFSET_BITS)

static void test_wakers_are_seen_by_who_asks_and_may(void **state)
{
	static const struct {
		enum frame_mark mark;
		int is_asked;
		int may_see_all;
		int is_seen;
	} cases[] = {
		{FRAME_MARK_WAKER, 0, 1, 0},         {FRAME_MARK_WAKER, 1, 0, 1},
		{FRAME_MARK_WAKER, 1, 1, 1},         {FRAME_MARK_FOREIGN_WAKER, 0, 1, 0},
		{FRAME_MARK_FOREIGN_WAKER, 1, 0, 0}, {FRAME_MARK_FOREIGN_WAKER, 1, 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(stack_table_freep) struct stack_table *stacks = stack_table_new();
		struct waker_view view = {cases[i].is_asked, cases[i].may_see_all, 0};
		uint64_t both[] = {WAKER, frame_pack(MODULE_MARK, cases[i].mark), SLEEPER};
		uint32_t whole = stack_table_add(stacks, both, 3);
		uint32_t sleeper = stack_table_add(stacks, &both[2], 1);

		assert_int_equal(waker_view_of(&view, stacks, whole),
				 cases[i].is_seen ? whole : sleeper);
		assert_true(view.has_wakers);
	}
}

static void test_a_stack_without_waker_is_seen_whole(void **state)
{
	_cleanup_(stack_table_freep) struct stack_table *stacks = stack_table_new();
	uint64_t frames[] = {frame_pack(MODULE_MARK, FRAME_MARK_PIPE), SLEEPER};
	uint32_t stack = stack_table_add(stacks, frames, 2);
	struct waker_view view = {.is_asked = 1};

	(void)state;
	assert_int_equal(waker_view_of(&view, stacks, stack), stack);
	assert_int_equal(waker_view_of(&view, stacks, STACK_NONE), STACK_NONE);
	assert_false(view.has_wakers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wakers_are_seen_by_who_asks_and_may),
		cmocka_unit_test(test_a_stack_without_waker_is_seen_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
