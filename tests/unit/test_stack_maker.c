/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/stack_maker.h"

#include <string.h>

#include "common/memory.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/names/jit_maps.h"
#include "daemon/core/names/waker_names.h"
#include "daemon/core/processes/process_table.h"
#include "tests/unit/cmocka_all.h"

#define PID          77
#define FILE_MODULE  5
#define JIT_MODULE   0x8001
#define KERNEL(low)  (UINT64_C(0xffffffff81000000) + (low))
#define CODE(offset) ((uint64_t)FILE_MODULE << FRAME_OFFSET_BITS | (offset))
#define MARK(name)   ((uint64_t)MODULE_MARK << FRAME_OFFSET_BITS | FRAME_MARK_##name)
#define JIT(pc)      ((uint64_t)JIT_MODULE << FRAME_OFFSET_BITS | (pc))
#define MAX_FRAMES   8

/* In place of the maps of run-time code: one number. */
static int jit_count;

uint32_t jit_maps_add(struct jit_maps *maps, const struct process *process)
{
	(void)maps;
	assert_int_equal(process->pid, PID);
	jit_count++;
	return JIT_MODULE;
}

/* A sample with room for frames. */
union sample {
	struct record_sample head;
	uint64_t words[sizeof(struct record_sample) / sizeof(uint64_t) + MAX_FRAMES];
};

struct scene {
	struct stack_maker maker;
	uint32_t thread;
};

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	const struct record_sample sample = {
		.pid = PID, .tid = PID, .owner_uid = 1000, .owner_gid = 100};

	jit_count = 0;
	scene->maker.stacks = stack_table_new();
	scene->maker.processes = process_table_new();
	scene->maker.waker_names = waker_names_new();
	scene->thread = process_table_add(scene->maker.processes, &sample);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	process_table_release(scene->maker.processes, scene->thread);
	assert_int_equal(stack_table_count(scene->maker.stacks), 0);
	stack_table_free(scene->maker.stacks);
	process_table_free(scene->maker.processes);
	waker_names_free(scene->maker.waker_names);
	free(scene);
	return 0;
}

/* The stack has these frames, leaf first up to a 0; ends the reference to it. */
static void assert_stack(const struct scene *scene, uint32_t stack, const uint64_t *frames)
{
	uint32_t at = stack;

	for (size_t i = 0; frames[i]; i++) {
		assert_int_not_equal(at, STACK_NONE);
		assert_int_equal(stack_table_address(scene->maker.stacks, at), frames[i]);
		at = stack_table_parent(scene->maker.stacks, at);
	}
	assert_int_equal(at, STACK_NONE);
	stack_table_release(scene->maker.stacks, stack);
}

static union sample sample_of(const uint64_t *frames, uint16_t kernel_count, uint16_t user_count)
{
	union sample sample = {.head = {.pid = PID,
					.owner_uid = 1000,
					.owner_gid = 100,
					.walk_end = WALK_ROOT,
					.kernel_count = kernel_count,
					.user_count = user_count}};

	memcpy(sample.words + sizeof(struct record_sample) / sizeof(uint64_t), frames,
	       ((size_t)kernel_count + user_count) * sizeof(*frames));
	return sample;
}

static void test_callers_in_the_kernel_are_taken_inside_of_their_call(void **state)
{
	struct scene *scene = *state;
	const uint64_t frames[] = {KERNEL(1), KERNEL(2), CODE(3), CODE(4)};
	const uint64_t wanted[] = {KERNEL(1), KERNEL(1), CODE(3), CODE(4), 0};
	const uint64_t user_wanted[] = {CODE(3), CODE(4), 0};
	union sample sample = sample_of(frames, 2, 2);

	assert_stack(scene,
		     stack_maker_add(&scene->maker, scene->thread, &sample.head, FRAME_MARK_NONE),
		     wanted);
	sample = sample_of(frames + 2, 0, 2);
	assert_stack(scene,
		     stack_maker_add(&scene->maker, scene->thread, &sample.head, FRAME_MARK_NONE),
		     user_wanted);
}

static void test_marks_say_what_was_waited_for_and_what_is_missing(void **state)
{
	static const struct {
		uint8_t walk_end;
		uint64_t mark;
	} cases[] = {
		{WALK_ROOT, 0},
		{WALK_NO_USER, 0},
		{WALK_TRUNCATED, MARK(TRUNCATED)},
		{WALK_NO_RULE, MARK(NO_UNWIND_INFO)},
		{WALK_NO_TABLE, MARK(NO_UNWIND_INFO)},
		{WALK_UNSUPPORTED, MARK(NO_UNWIND_INFO)},
		{WALK_UNREADABLE, MARK(UNREADABLE)},
		{WALK_UNMAPPED, MARK(UNMAPPED)},
		{WALK_NO_MEMORY, MARK(NO_MEMORY)},
		{WALK_EXEC, MARK(EXEC)},
		{WALK_FRAME_POINTER, MARK(FRAME_POINTER)},
		{WALK_END_COUNT, 0}, /* as if the record were not ours */
	};
	struct scene *scene = *state;
	const uint64_t frames[] = {CODE(3)};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const uint64_t wanted[] = {MARK(LOCK), CODE(3), cases[i].mark, 0};
		union sample sample = sample_of(frames, 0, 1);

		sample.head.walk_end = cases[i].walk_end;
		assert_stack(scene,
			     stack_maker_add(&scene->maker, scene->thread, &sample.head,
					     FRAME_MARK_LOCK),
			     wanted);
	}
}

static void test_a_bare_pc_belongs_to_its_process(void **state)
{
	struct scene *scene = *state;
	const uint64_t frames[] = {0x1234, 0x5678, UINT64_C(0x7fffffffe080)};
	const uint64_t wanted[] = {JIT(0x1234), JIT(0x5678), MARK(UPROBES), 0};
	union sample sample = sample_of(frames, 0, 3);

	for (int i = 0; i < 2; i++)
		assert_stack(scene,
			     stack_maker_add(&scene->maker, scene->thread, &sample.head,
					     FRAME_MARK_NONE),
			     wanted);
	assert_int_equal(jit_count, 1);
}

/* A sleep at one frame, and the stack of its waker, of two. */
static uint32_t add_waker(struct scene *scene, union sample *waker)
{
	const uint64_t frames[] = {CODE(9)};
	union sample sleep = sample_of(frames, 0, 1);
	uint32_t sleep_stack =
		stack_maker_add(&scene->maker, scene->thread, &sleep.head, FRAME_MARK_LOCK);
	uint32_t stack =
		stack_maker_add_waker(&scene->maker, &waker->head, scene->thread, sleep_stack);

	stack_table_release(scene->maker.stacks, sleep_stack);
	return stack;
}

static void test_a_waker_stands_on_the_sleep_the_other_way_round(void **state)
{
	struct scene *scene = *state;
	const uint64_t frames[] = {KERNEL(1), KERNEL(2), CODE(3)};
	union sample waker = sample_of(frames, 2, 1);

	memcpy(waker.head.thread_name, "worker", sizeof("worker"));
	waker.head.walk_end = WALK_TRUNCATED;
	const uint64_t wanted[] = {waker_names_frame(scene->maker.waker_names, "worker"),
				   MARK(TRUNCATED),
				   CODE(3),
				   KERNEL(1),
				   KERNEL(1),
				   MARK(WAKER),
				   MARK(LOCK),
				   CODE(9),
				   0};

	assert_stack(scene, add_waker(scene, &waker), wanted);
}

static void test_wakers_are_told_by_whose_they_are(void **state)
{
	static const struct {
		uint32_t uid, gid, flags;
		uint64_t wanted;
	} cases[] = {
		{1000, 100, 0, MARK(WAKER)},
		{1001, 100, 0, MARK(FOREIGN_WAKER)},
		{1000, 101, 0, MARK(FOREIGN_WAKER)},
		{RECORD_NO_OWNER, RECORD_NO_OWNER, 0, MARK(FOREIGN_WAKER)},
		/* An interrupt hits whoever runs: it is nobody's. */
		{1001, 101, SAMPLE_INTERRUPT, MARK(WAKER)},
	};
	struct scene *scene = *state;
	const uint64_t frames[] = {KERNEL(1)};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		union sample waker = sample_of(frames, 1, 0);
		const uint64_t name = cases[i].flags & SAMPLE_INTERRUPT
					      ? MARK(INTERRUPT)
					      : waker_names_frame(scene->maker.waker_names, "w");
		const uint64_t wanted[] = {name,       KERNEL(1), cases[i].wanted,
					   MARK(LOCK), CODE(9),   0};

		memcpy(waker.head.thread_name, "w", sizeof("w"));
		waker.head.owner_uid = cases[i].uid;
		waker.head.owner_gid = cases[i].gid;
		waker.head.flags = (uint8_t)cases[i].flags;
		assert_stack(scene, add_waker(scene, &waker), wanted);
	}
}

static void test_two_whose_owner_is_not_known_are_not_of_one_owner(void **state)
{
	struct scene *scene = *state;
	struct process *process = process_table_process(
		scene->maker.processes,
		process_table_thread(scene->maker.processes, scene->thread)->process);
	const uint64_t frames[] = {KERNEL(1)};
	union sample waker = sample_of(frames, 1, 0);
	const uint64_t wanted[] = {waker_names_frame(scene->maker.waker_names, ""),
				   KERNEL(1),
				   MARK(FOREIGN_WAKER),
				   MARK(LOCK),
				   CODE(9),
				   0};

	process->owner_uid = process->owner_gid = RECORD_NO_OWNER;
	waker.head.owner_uid = waker.head.owner_gid = RECORD_NO_OWNER;
	assert_stack(scene, add_waker(scene, &waker), wanted);
}

static void test_run_time_code_of_another_process_stays_bare(void **state)
{
	struct scene *scene = *state;
	const uint64_t frames[] = {0x1234};
	union sample waker = sample_of(frames, 0, 1);
	const uint64_t name = waker_names_frame(scene->maker.waker_names, "");
	const uint64_t own[] = {name, JIT(0x1234), MARK(WAKER), MARK(LOCK), CODE(9), 0};
	const uint64_t foreign[] = {name, 0x1234, MARK(WAKER), MARK(LOCK), CODE(9), 0};

	assert_stack(scene, add_waker(scene, &waker), own);
	waker.head.pid = PID + 1;
	assert_stack(scene, add_waker(scene, &waker), foreign);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_callers_in_the_kernel_are_taken_inside_of_their_call),
		TEST(test_marks_say_what_was_waited_for_and_what_is_missing),
		TEST(test_a_bare_pc_belongs_to_its_process),
		TEST(test_a_waker_stands_on_the_sleep_the_other_way_round),
		TEST(test_wakers_are_told_by_whose_they_are),
		TEST(test_two_whose_owner_is_not_known_are_not_of_one_owner),
		TEST(test_run_time_code_of_another_process_stays_bare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
