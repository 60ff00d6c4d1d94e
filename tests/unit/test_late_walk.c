/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/late_walk.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/stack_copy.h"
#include "common/frame.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/only_module.h"

#define STACK_ADDRESS 0x7fff0000
#define STACK_WORDS   64
#define CODE_START    0x400000
#define CODE_END      0x500000
#define MODULE_NUMBER 5

static union {
	struct record_sample head;
	uint64_t words[sizeof(struct record_sample) / 8 + RECORD_USER_FRAMES];
} done;
static int done_count;

static void on_done(void *context, const struct record_sample *sample)
{
	(void)context;
	done_count++;
	memcpy(&done, sample, sizeof(*sample) + sample->user_count * sizeof(sample->frames[0]));
}

/* A stack with a chain of frame pointers of so many links, all in the one mapping of code. */
static struct record_stack *make_stack(uint32_t links, uint32_t module)
{
	size_t bytes = STACK_WORDS * sizeof(uint64_t);
	struct record_stack *stack = memory_new(sizeof(*stack) + bytes);
	uint64_t words[STACK_WORDS] = {0};

	stack->time_ns = 1000;
	stack->cpu = 1;
	stack->frame_count = 1;
	stack->frame = (struct unwind_frame){
		.pc = CODE_START + 0x10, .sp = STACK_ADDRESS, .fp = STACK_ADDRESS, .is_exact = 1};
	stack->address = STACK_ADDRESS;
	stack->size = (uint32_t)bytes;
	stack->mapping_count = 1;
	stack->mappings[0] = (struct mapping){CODE_START, CODE_END, 0x1000, module, 0};
	for (uint32_t i = 0; i < links; i++) {
		words[2 * i] = i + 1 < links ? STACK_ADDRESS + 16 * (i + 1) : 0;
		words[2 * i + 1] = CODE_START + 0x100 * (i + 1);
	}
	memcpy(stack->bytes, words, bytes);
	return stack;
}

/* The sample that belongs to it, with the frame that the walk had come to. */
static const struct record_sample *make_sample(uint32_t flags)
{
	static union {
		struct record_sample head;
		uint64_t words[sizeof(struct record_sample) / 8 + 1];
	} sample;

	sample.head = (struct record_sample){.time_ns = 1000,
					     .cpu = 1,
					     .flags = (uint16_t)flags,
					     .walk_end = WALK_NO_TABLE,
					     .user_count = 1};
	sample.head.frames[0] = frame_pack(MODULE_NUMBER, 0x1010);
	return &sample.head;
}

static struct late_walks *start(void)
{
	done_count = 0;
	only_module = (struct module){.number = MODULE_NUMBER, .state = MODULE_READING};
	return late_walks_new(NULL, on_done, NULL);
}

static void test_a_walk_waits_for_its_module(void **state)
{
	_cleanup_(late_walks_freep) struct late_walks *walks = start();
	_cleanup_free_ struct record_stack *stack = make_stack(3, MODULE_NUMBER);

	(void)state;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 1);
	late_walks_continue(walks, 2000);
	assert_int_equal(done_count, 0);
	only_module.state = MODULE_UNREADABLE; /* so by frame pointers */
	late_walks_continue(walks, 3000);
	assert_int_equal(done_count, 1);
	assert_int_equal(done.head.walk_end, WALK_ROOT);
	assert_int_equal(done.head.user_count, 4);
	assert_true(done.head.frames[0] == frame_pack(MODULE_NUMBER, 0x1010));
	assert_true(done.head.frames[1] == frame_pack(MODULE_NUMBER, 0x1000 + 0xff));
	assert_true(done.head.frames[3] == frame_pack(MODULE_NUMBER, 0x1000 + 0x2ff));
	assert_int_equal(late_walks_finished(walks), 1);
}

static void test_a_walk_that_waited_too_long_goes_on_as_it_is(void **state)
{
	_cleanup_(late_walks_freep) struct late_walks *walks = start();
	_cleanup_free_ struct record_stack *stack = make_stack(3, MODULE_NUMBER);

	(void)state;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 1);
	late_walks_continue(walks, 1000 + LATE_WALK_LIMIT_NS);
	assert_int_equal(done_count, 1);
	assert_int_equal(done.head.walk_end, WALK_NO_TABLE);
	assert_int_equal(done.head.user_count, 1);
	assert_int_equal(late_walks_finished(walks), 0);
}

static void test_a_stack_that_leads_out_of_its_copy_ends(void **state)
{
	_cleanup_(late_walks_freep) struct late_walks *walks = start();
	_cleanup_free_ struct record_stack *stack = make_stack(3, MODULE_NUMBER);

	(void)state;
	stack->size = 24; /* the second link is cut */
	only_module.state = MODULE_UNREADABLE;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 1);
	late_walks_continue(walks, 2000);
	assert_int_equal(done.head.walk_end, WALK_NO_RULE);
	assert_int_equal(done.head.user_count, 2);
}

static void test_a_chain_that_never_ends_is_truncated(void **state)
{
	_cleanup_(late_walks_freep) struct late_walks *walks = start();
	_cleanup_free_ struct record_stack *stack = make_stack(1, MODULE_NUMBER);
	uint64_t self = STACK_ADDRESS;

	(void)state;
	memcpy(stack->bytes, &self, sizeof(self));
	only_module.state = MODULE_UNREADABLE;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 1);
	late_walks_continue(walks, 2000);
	assert_int_equal(done.head.walk_end, WALK_TRUNCATED);
	assert_int_equal(done.head.user_count, RECORD_USER_FRAMES);
}

static void test_samples_without_their_stack_do_not_wait(void **state)
{
	_cleanup_(late_walks_freep) struct late_walks *walks = start();
	_cleanup_free_ struct record_stack *stack = make_stack(3, MODULE_NUMBER);

	(void)state;
	assert_int_equal(late_walks_add_sample(walks, make_sample(0)), 0);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 0);
	stack->cpu = 2;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 0);
	for (int i = 0; i < 2 * LATE_WALKS; i++)
		late_walks_add_stack(walks, stack);
	stack->cpu = 1;
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 0);
	/* Stacks whose sample never came are dropped in time. */
	late_walks_continue(walks, 1000 + LATE_WALK_LIMIT_NS);
	assert_int_equal(done_count, 0);
	late_walks_add_stack(walks, stack);
	assert_int_equal(late_walks_add_sample(walks, make_sample(SAMPLE_STACK_COPIED)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_walk_waits_for_its_module),
		cmocka_unit_test(test_a_walk_that_waited_too_long_goes_on_as_it_is),
		cmocka_unit_test(test_a_stack_that_leads_out_of_its_copy_ends),
		cmocka_unit_test(test_a_chain_that_never_ends_is_truncated),
		cmocka_unit_test(test_samples_without_their_stack_do_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
