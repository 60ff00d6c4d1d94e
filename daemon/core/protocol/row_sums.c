/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/row_sums.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/history/idle.h"
#include "daemon/core/history/reconcile.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/history/waker_view.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/protocol/measure.h"
#include "daemon/core/protocol/question.h"
#include "daemon/core/targets/target_table.h"

enum { NOT_JUDGED, WANTED, NOT_WANTED };

#define TOTAL_EVENTS                                                          \
	(UINT32_C(1) << EVENT_TOTAL_CPU | UINT32_C(1) << EVENT_TOTAL_OFFCPU | \
	 UINT32_C(1) << EVENT_TOTAL_RUNQUEUE)

/* ---- Which rows ---- */

static int belongs_to(const struct question_sources *sources, const struct process *process,
		      const struct target_selector *selector)
{
	const struct target *target;

	for (uint32_t i = 0; i < process->target_count; i++) {
		target = target_table_by_number(sources->targets, process->targets[i]);
		if (target && target->kind == selector->kind && target->kind != TARGET_ALL &&
		    (target->kind == TARGET_PID ? target->pid == selector->pid
						: !strcmp(target->pattern, selector->pattern)))
			return 1;
	}
	return 0;
}

static int selects_process(const struct question_sources *sources, struct process *process,
			   const struct target_selector *selector)
{
	const char *path;

	switch (selector->kind) {
	case TARGET_ALL:
		return 1;
	case TARGET_PID:
		if (process->pid == selector->pid)
			return 1;
		break;
	case TARGET_NAME:
		if (fnmatch(selector->pattern, process->name, 0) == 0)
			return 1;
		break;
	case TARGET_CGROUP:
		path = cgroup_table_path(sources->cgroups, process->cgroup_id);
		if (path && cgroup_path_is_under(path, selector->pattern))
			return 1;
		break;
	}
	/* Children that were followed belong to what was attached. */
	return belongs_to(sources, process, selector);
}

static int judge(const struct question_sources *sources, const struct question *question,
		 struct process *process)
{
	if (question->owner_uid != TARGET_PRIVILEGED &&
	    (process->owner_uid != question->owner_uid ||
	     process->owner_gid != question->owner_gid))
		return NOT_WANTED;
	if (question->selector_count == 0)
		return WANTED;
	target_table_select(sources->targets, process);
	for (uint32_t i = 0; i < question->selector_count; i++)
		if (selects_process(sources, process, &question->selectors[i]))
			return WANTED;
	return NOT_WANTED;
}

/* ---- Adding up ---- */

/* Returns the number of the sum that row was added to. */
static uint32_t add_row(struct row_sums *sums, const struct bucket_row *row)
{
	uint32_t hash =
		hash_u64((uint64_t)row->thread << 32 ^ (uint64_t)row->stack << 3 ^ row->event);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&sums->row_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&sums->row_index, &cursor)) {
		struct bucket_row *sum = &sums->rows[i];

		if (sum->thread == row->thread && sum->stack == row->stack &&
		    sum->event == row->event) {
			sum->count += row->count;
			sum->weight += row->weight;
			sum->variance += row->variance;
			sum->certain += row->certain;
			if (row->largest > sum->largest)
				sum->largest = row->largest;
			return i;
		}
	}
	uint32_t number = sums->row_count++;
	sums->rows =
		memory_grow(sums->rows, &sums->row_capacity, sums->row_count, sizeof(*sums->rows));
	sums->rows[number] = *row;
	process_table_keep(sums->sources->processes, row->thread);
	stack_table_keep(sums->sources->stacks, row->stack);
	hashmap_add(&sums->row_index, hash, number);
	return number;
}

static void add_slice_row(struct row_sums *sums, uint64_t slice, uint32_t row, uint64_t weight)
{
	sums->slice_rows = memory_grow(sums->slice_rows, &sums->slice_row_capacity,
				       sums->slice_row_count + 1, sizeof(*sums->slice_rows));
	sums->slice_rows[sums->slice_row_count++] =
		(struct slice_row){(uint32_t)slice, row, weight};
}

static int is_asked(const struct question *question, uint32_t event)
{
	return (question->measure->rows >> event & 1) != 0;
}

/* The losses of all events that were asked for are summed up in lost[0]. */
static void add_totals(struct row_sums *sums, const struct bucket_totals *totals,
		       struct bucket_totals *sum)
{
	for (uint32_t event = 0; event < EVENT_COUNT; event++)
		if (is_asked(sums->question, event))
			sum->lost[0] += totals->lost[event];
	for (int kind = 0; kind < COST_KINDS; kind++)
		cost_add(&sum->costs[kind], &totals->costs[kind]);
	if (totals->duty > 0 && (sum->duty <= 0 || totals->duty < sum->duty))
		sum->duty = totals->duty;
	if (totals->rate_hz > sum->rate_hz)
		sum->rate_hz = totals->rate_hz;
}

/* Whose they were is lost with them: they are told where everything is. */
static void find_lost(struct row_sums *sums, const struct bucket_totals *totals)
{
	const struct question *question = sums->question;

	if (!is_asked(question, EVENT_CPU) || question->measure->is_reconciled ||
	    question->selector_count || question->tid || question->owner_uid != TARGET_PRIVILEGED ||
	    !totals->rate_hz)
		return;
	sums->lost_count = (double)totals->lost[0];
	sums->lost_ns = sums->lost_count * NS_PER_SECOND / totals->rate_hz;
}

static void collect_rows(struct row_sums *sums, const struct bucket_window *window,
			 struct bucket_totals *totals)
{
	const struct question_sources *sources = sums->sources;
	const struct question *question = sums->question;
	uint32_t limit = process_table_process_limit(sources->processes);
	_cleanup_free_ uint8_t *verdicts = memory_new(limit + 1);
	const struct bucket *bucket;
	uint64_t slice_ns = bucket_ring_length_ns(sources->history);
	uint64_t from_ns = window->from_ns;
	uint32_t events = question->measure->rows;

	if (question->measure->is_reconciled) {
		sums->reconcile = reconcile_new(process_table_thread_limit(sources->processes));
		events |= TOTAL_EVENTS;
	}
	while ((bucket = bucket_ring_next(sources->history, from_ns, window->to_ns))) {
		from_ns = bucket->start_ns + 1;
		add_totals(sums, &bucket->totals, totals);
		for (uint32_t i = 0; i < bucket->row_count; i++) {
			const struct bucket_row *row = &bucket->rows[i];
			const struct process_thread *thread =
				process_table_thread(sources->processes, row->thread);
			uint8_t *verdict = &verdicts[thread->process];

			if (!(events >> row->event & 1) ||
			    (question->tid && thread->tid != question->tid))
				continue;
			if (*verdict == NOT_JUDGED)
				*verdict = (uint8_t)judge(
					sources, question,
					process_table_process(sources->processes, thread->process));
			if (*verdict != WANTED)
				continue;
			if (sums->reconcile)
				reconcile_add(sums->reconcile, row);
			if (!is_asked(question, row->event))
				continue;
			uint32_t sum = add_row(sums, row);
			if (question->slices)
				add_slice_row(sums, (bucket->start_ns - window->from_ns) / slice_ns,
					      sum, row->weight);
		}
	}
}

/* ---- Wakers ---- */

static void cut_wakers(struct row_sums *sums)
{
	struct stack_table *stacks = sums->sources->stacks;

	struct waker_view view = {
		.is_asked = sums->question->waker,
		.may_see_all = sums->question->owner_uid == TARGET_PRIVILEGED,
	};

	for (uint32_t i = 0; i < sums->row_count; i++) {
		uint32_t whole = sums->rows[i].stack;
		uint32_t seen = waker_view_of(&view, stacks, whole);

		if (seen == whole)
			continue;
		stack_table_keep(stacks, seen);
		stack_table_release(stacks, whole);
		sums->rows[i].stack = seen;
	}
	if (view.is_asked && !view.has_wakers)
		sums->lacks_wakers = 1;
}

/* ---- Agreeing with the scheduler ---- */

/* Time that a thread used and no sample tells of is a row that says so, without a stack. */
static void add_missing(struct row_sums *sums, uint32_t thread)
{
	static const struct {
		uint32_t event;
		enum frame_mark mark;
	} kinds[] = {
		{EVENT_CPU, FRAME_MARK_RUNNING},
		{EVENT_RUNQUEUE, FRAME_MARK_RUN_QUEUE},
		{EVENT_OFFCPU, FRAME_MARK_BLOCKED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		uint64_t weight =
			is_asked(sums->question, kinds[i].event)
				? reconcile_missing(sums->reconcile, thread, kinds[i].event)
				: 0;
		uint64_t address = frame_pack(MODULE_MARK, kinds[i].mark);

		if (weight == 0)
			continue;
		struct bucket_row row = {
			.thread = thread,
			.stack = stack_table_add(sums->sources->stacks, &address, 1),
			.event = kinds[i].event,
			.weight = weight,
			.certain = (float)weight,
		};
		add_row(sums, &row);
		stack_table_release(sums->sources->stacks, row.stack);
	}
}

/* Scale the slices of each row as the row was. */
static void scale_slices(struct row_sums *sums, const uint64_t *before)
{
	for (size_t i = 0; i < sums->slice_row_count; i++) {
		struct slice_row *slice = &sums->slice_rows[i];
		uint64_t was = before[slice->row];

		if (was)
			slice->weight =
				(uint64_t)((double)slice->weight *
					   (double)sums->rows[slice->row].weight / (double)was);
	}
}

static void settle_rows(struct row_sums *sums)
{
	struct process_table *processes = sums->sources->processes;
	uint32_t count = sums->row_count;
	_cleanup_free_ uint64_t *before = memory_new((count + 1) * sizeof(*before));

	if (!sums->reconcile)
		return;
	for (uint32_t i = 0; i < count; i++) {
		before[i] = sums->rows[i].weight;
		reconcile_scale(sums->reconcile, &sums->rows[i]);
	}
	for (uint32_t thread = 0; thread < process_table_thread_limit(processes); thread++)
		add_missing(sums, thread);
	if (!sums->question->idle)
		sums->idle_threads = idle_fold(processes, sums->sources->stacks, sums->reconcile,
					       sums->rows, sums->row_count);
	scale_slices(sums, before);
}

void row_sums_collect(struct row_sums *sums, const struct question_sources *sources,
		      const struct question *question, const struct bucket_window *window,
		      struct bucket_totals *totals)
{
	sums->sources = sources;
	sums->question = question;
	collect_rows(sums, window, totals);
	find_lost(sums, totals);
	cut_wakers(sums);
	settle_rows(sums);
	sums->question = NULL;
}

void row_sums_fini(struct row_sums *sums)
{
	for (uint32_t i = 0; i < sums->row_count; i++) {
		process_table_release(sums->sources->processes, sums->rows[i].thread);
		stack_table_release(sums->sources->stacks, sums->rows[i].stack);
	}
	free(sums->rows);
	free(sums->slice_rows);
	hashmap_fini(&sums->row_index);
	reconcile_free(sums->reconcile);
}
