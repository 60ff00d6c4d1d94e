/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/idle.h"

#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/history/reconcile.h"
#include "tests/unit/cmocka_all.h"

#define RUNS  (-1) /* in place of a mark: a row of CPU time */
#define WAITS UINT64_C(1000)

/* A row of a thread of process 1 or 2; each thread is of the process of its first digit. */
struct line {
	uint32_t thread; /* 10, 11, 20, ...; 0: no more */
	int leaf;        /* enum frame_mark, or RUNS */
	int is_left;
};

struct scene {
	struct stack_table *stacks;
	struct process_table *processes;
	struct reconcile *reconcile;
	struct bucket_row rows[8];
	uint32_t count;
};

static void add(struct scene *scene, const struct line *line)
{
	const struct record_sample sample = {.pid = line->thread / 10, .tid = line->thread};
	const uint64_t wait = frame_pack(MODULE_MARK, (uint64_t)line->leaf),
		       code = frame_pack(5, 0x100);
	struct bucket_row *row = &scene->rows[scene->count++];

	*row = (struct bucket_row){
		.thread = process_table_add(scene->processes, &sample),
		.stack = stack_table_add(scene->stacks, line->leaf == RUNS ? &code : &wait, 1),
		.event = line->leaf == RUNS ? EVENT_CPU : EVENT_OFFCPU,
		.count = 1,
		.weight = WAITS,
	};
	struct bucket_row total = {.thread = row->thread,
				   .event = line->leaf == RUNS ? EVENT_TOTAL_CPU
							       : EVENT_TOTAL_OFFCPU,
				   .weight = WAITS};
	reconcile_add(scene->reconcile, row);
	reconcile_add(scene->reconcile, &total);
}

static void test_threads_that_only_wait_for_work_are_left_out_beside_others(void **state)
{
	static const struct {
		struct line lines[6];
		uint32_t folded;
	} cases[] = {
		/* A pool beside one that runs. */
		{{{10, RUNS, 1}, {11, FRAME_MARK_LOCK, 0}, {12, FRAME_MARK_POLL, 0}}, 2},
		{{{10, RUNS, 1}, {11, FRAME_MARK_TIMER, 0}, {12, FRAME_MARK_SIGNAL, 0}}, 2},
		/* Who waits for something that comes is not idle. */
		{{{10, RUNS, 1}, {11, FRAME_MARK_DISK, 1}, {12, FRAME_MARK_PIPE, 1}}, 0},
		{{{10, RUNS, 1}, {11, FRAME_MARK_SOCKET, 1}, {12, FRAME_MARK_CHILD, 1}}, 0},
		/* A process of which nothing would be left stays as it is. */
		{{{10, FRAME_MARK_LOCK, 1}, {11, FRAME_MARK_POLL, 1}}, 0},
		{{{10, FRAME_MARK_LOCK, 1}, {20, RUNS, 1}, {21, FRAME_MARK_LOCK, 0}}, 1},
		/* A thread is idle in all of its rows, or not at all; it counts once. */
		{{{10, RUNS, 1}, {10, FRAME_MARK_LOCK, 1}}, 0},
		{{{10, FRAME_MARK_DISK, 1}, {11, FRAME_MARK_LOCK, 0}, {11, FRAME_MARK_POLL, 0}}, 1},
		{{{10, FRAME_MARK_LOCK, 1}, {10, FRAME_MARK_DISK, 1}}, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene scene = {
			stack_table_new(), process_table_new(), reconcile_new(8), {{0}}, 0};

		for (size_t k = 0; k < 6 && cases[i].lines[k].thread; k++)
			add(&scene, &cases[i].lines[k]);
		assert_int_equal(idle_fold(scene.processes, scene.stacks, scene.reconcile,
					   scene.rows, scene.count),
				 cases[i].folded);
		for (uint32_t k = 0; k < scene.count; k++) {
			assert_int_equal(scene.rows[k].weight,
					 cases[i].lines[k].is_left ? WAITS : 0);
			assert_int_equal(scene.rows[k].count, cases[i].lines[k].is_left);
		}
		reconcile_free(scene.reconcile);
		process_table_free(scene.processes);
		stack_table_free(scene.stacks);
	}
}

static void test_who_ran_while_no_sample_was_taken_is_not_idle(void **state)
{
	static const struct line busy = {10, RUNS, 1}, waits = {11, FRAME_MARK_LOCK, 1};
	struct scene scene = {stack_table_new(), process_table_new(), reconcile_new(8), {{0}}, 0};

	(void)state;
	add(&scene, &busy);
	add(&scene, &waits);
	struct bucket_row total = {
		.thread = scene.rows[1].thread, .event = EVENT_TOTAL_CPU, .weight = 1};
	reconcile_add(scene.reconcile, &total);
	assert_int_equal(idle_fold(scene.processes, scene.stacks, scene.reconcile, scene.rows, 2),
			 0);
	assert_int_equal(scene.rows[1].weight, WAITS);
	reconcile_free(scene.reconcile);
	process_table_free(scene.processes);
	stack_table_free(scene.stacks);
}

static void test_rows_without_weight_or_stack_keep_nobody_busy(void **state)
{
	static const struct line busy = {10, RUNS, 0}, idle = {11, FRAME_MARK_LOCK, 1};
	struct scene scene = {stack_table_new(), process_table_new(), reconcile_new(8), {{0}}, 0};

	(void)state;
	add(&scene, &busy);
	add(&scene, &idle);
	scene.rows[0].weight = 0;
	assert_int_equal(idle_fold(scene.processes, scene.stacks, scene.reconcile, scene.rows, 2),
			 0);
	assert_int_equal(scene.rows[1].weight, WAITS);
	/* Without a stack nobody knows what it waits for. */
	scene.rows[1].stack = STACK_NONE;
	assert_int_equal(idle_fold(scene.processes, scene.stacks, scene.reconcile, scene.rows, 2),
			 1);
	assert_int_equal(scene.rows[1].weight, WAITS);
	assert_int_equal(idle_fold(scene.processes, scene.stacks, scene.reconcile, NULL, 0), 0);
	reconcile_free(scene.reconcile);
	process_table_free(scene.processes);
	stack_table_free(scene.stacks);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_that_only_wait_for_work_are_left_out_beside_others),
		cmocka_unit_test(test_who_ran_while_no_sample_was_taken_is_not_idle),
		cmocka_unit_test(test_rows_without_weight_or_stack_keep_nobody_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
