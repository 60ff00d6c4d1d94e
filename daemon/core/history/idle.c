/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/idle.h"

#include <stddef.h>

#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/history/reconcile.h"

static const uint8_t idle_marks[FRAME_MARK_COUNT] = {
	[FRAME_MARK_LOCK] = 1,
	[FRAME_MARK_TIMER] = 1,
	[FRAME_MARK_POLL] = 1,
	[FRAME_MARK_SIGNAL] = 1,
};

static int is_idle(const struct stack_table *stacks, const struct reconcile *reconcile,
		   const struct bucket_row *row)
{
	uint64_t leaf;

	if (row->stack == STACK_NONE || !reconcile_slept(reconcile, row->thread))
		return 0;
	leaf = stack_table_address(stacks, row->stack);
	return frame_module(leaf) == MODULE_MARK && frame_offset(leaf) < FRAME_MARK_COUNT &&
	       idle_marks[frame_offset(leaf)];
}

uint32_t idle_fold(struct process_table *processes, const struct stack_table *stacks,
		   const struct reconcile *reconcile, struct bucket_row *rows, uint32_t row_count)
{
	uint32_t thread_limit = process_table_thread_limit(processes);
	_cleanup_free_ uint8_t *busy_threads = memory_new(thread_limit + 1);
	_cleanup_free_ uint8_t *idle_threads = memory_new(thread_limit + 1);
	_cleanup_free_ uint8_t *busy_processes =
		memory_new(process_table_process_limit(processes) + 1);
	uint32_t folded = 0;

	/* A thread is idle in all of its rows, or not at all. */
	for (uint32_t i = 0; i < row_count; i++)
		if (rows[i].weight && !is_idle(stacks, reconcile, &rows[i])) {
			uint32_t thread = rows[i].thread;

			busy_threads[thread] = 1;
			busy_processes[process_table_thread(processes, thread)->process] = 1;
		}
	for (uint32_t i = 0; i < row_count; i++) {
		uint32_t thread = rows[i].thread;

		if (busy_threads[thread] ||
		    !busy_processes[process_table_thread(processes, thread)->process])
			continue;
		folded += !idle_threads[thread];
		idle_threads[thread] = 1;
		rows[i].weight = 0;
		rows[i].count = 0;
	}
	return folded;
}
