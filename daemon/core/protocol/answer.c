/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/answer.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "common/clock.h"
#include "common/profile.h"
#include "daemon/core/history/idle.h"
#include "daemon/core/history/reconcile.h"
#include "daemon/core/history/waker_view.h"
#include "daemon/core/names/scheduler_names.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/protocol/answer_cost.h"
#include "daemon/core/protocol/question.h"
#include "daemon/core/protocol/silence.h"
#include "daemon/core/targets/target_table.h"

enum { NOT_JUDGED, WANTED, NOT_WANTED };

#define TOTAL_EVENTS                                                          \
	(UINT32_C(1) << EVENT_TOTAL_CPU | UINT32_C(1) << EVENT_TOTAL_OFFCPU | \
	 UINT32_C(1) << EVENT_TOTAL_RUNQUEUE)

struct answer {
	struct question_sources sources;
	struct question question; /* without its selectors, which are borrowed */
	answer_done *done;
	void *context;
	struct symbolizer_wait *wait;
	struct profile *profile;
	/* The rows of all buckets, added up; each holds a reference to its thread and stack. */
	struct bucket_row *rows;
	uint32_t row_count;
	size_t row_capacity;
	struct hashmap row_index;
	struct reconcile *reconcile; /* NULL: not for this measure */
	uint32_t idle_threads;       /* that are left out */
	int lacks_wakers;            /* they were asked for and not recorded */
	/* The same bucket by bucket, if asked for. */
	struct slice_row *slice_rows;
	size_t slice_row_count;
	size_t slice_row_capacity;
};

/* What one bucket put into a row. */
struct slice_row {
	uint32_t slice;
	uint32_t row;
	uint64_t weight;
};

static void free_answer(struct answer *answer)
{
	for (uint32_t i = 0; i < answer->row_count; i++) {
		process_table_release(answer->sources.processes, answer->rows[i].thread);
		stack_table_release(answer->sources.stacks, answer->rows[i].stack);
	}
	free(answer->rows);
	free(answer->slice_rows);
	hashmap_fini(&answer->row_index);
	reconcile_free(answer->reconcile);
	profile_free(answer->profile);
	free(answer);
}

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
static uint32_t add_row(struct answer *answer, const struct bucket_row *row)
{
	uint32_t hash =
		hash_u64((uint64_t)row->thread << 32 ^ (uint64_t)row->stack << 3 ^ row->event);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&answer->row_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&answer->row_index, &cursor)) {
		struct bucket_row *sum = &answer->rows[i];

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
	uint32_t number = answer->row_count++;
	answer->rows = memory_grow(answer->rows, &answer->row_capacity, answer->row_count,
				   sizeof(*answer->rows));
	answer->rows[number] = *row;
	process_table_keep(answer->sources.processes, row->thread);
	stack_table_keep(answer->sources.stacks, row->stack);
	hashmap_add(&answer->row_index, hash, number);
	return number;
}

static void add_slice_row(struct answer *answer, uint64_t slice, uint32_t row, uint64_t weight)
{
	answer->slice_rows = memory_grow(answer->slice_rows, &answer->slice_row_capacity,
					 answer->slice_row_count + 1, sizeof(*answer->slice_rows));
	answer->slice_rows[answer->slice_row_count++] =
		(struct slice_row){(uint32_t)slice, row, weight};
}

static int is_asked(const struct question *question, uint32_t event)
{
	return (question->measure->rows >> event & 1) != 0;
}

/* The losses of all events that were asked for are summed up in lost[0]. */
static void add_totals(struct answer *answer, const struct bucket_totals *totals,
		       struct bucket_totals *sum)
{
	for (uint32_t event = 0; event < EVENT_COUNT; event++)
		if (is_asked(&answer->question, event))
			sum->lost[0] += totals->lost[event];
	for (int kind = 0; kind < COST_KINDS; kind++)
		cost_add(&sum->costs[kind], &totals->costs[kind]);
	if (totals->duty > 0 && (sum->duty <= 0 || totals->duty < sum->duty))
		sum->duty = totals->duty;
	if (totals->rate_hz > sum->rate_hz)
		sum->rate_hz = totals->rate_hz;
}

static void collect_rows(struct answer *answer, const struct question *question,
			 const struct bucket_window *window, struct bucket_totals *totals)
{
	const struct question_sources *sources = &answer->sources;
	uint32_t limit = process_table_process_limit(sources->processes);
	_cleanup_free_ uint8_t *verdicts = memory_new(limit + 1);
	const struct bucket *bucket;
	uint64_t slice_ns = bucket_ring_length_ns(sources->history);
	uint64_t from_ns = window->from_ns;
	uint32_t events = question->measure->rows;

	if (question->measure->is_reconciled) {
		answer->reconcile = reconcile_new(process_table_thread_limit(sources->processes));
		events |= TOTAL_EVENTS;
	}
	while ((bucket = bucket_ring_next(sources->history, from_ns, window->to_ns))) {
		from_ns = bucket->start_ns + 1;
		add_totals(answer, &bucket->totals, totals);
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
			if (answer->reconcile)
				reconcile_add(answer->reconcile, row);
			if (!is_asked(question, row->event))
				continue;
			uint32_t sum = add_row(answer, row);
			if (question->slices)
				add_slice_row(answer,
					      (bucket->start_ns - window->from_ns) / slice_ns, sum,
					      row->weight);
		}
	}
}

/* ---- Wakers ---- */

static void cut_wakers(struct answer *answer)
{
	struct stack_table *stacks = answer->sources.stacks;

	struct waker_view view = {
		.is_asked = answer->question.waker,
		.may_see_all = answer->question.owner_uid == TARGET_PRIVILEGED,
	};

	for (uint32_t i = 0; i < answer->row_count; i++) {
		uint32_t whole = answer->rows[i].stack;
		uint32_t seen = waker_view_of(&view, stacks, whole);

		if (seen == whole)
			continue;
		stack_table_keep(stacks, seen);
		stack_table_release(stacks, whole);
		answer->rows[i].stack = seen;
	}
	if (view.is_asked && !view.has_wakers)
		answer->lacks_wakers = 1;
}

/* ---- Agreeing with the scheduler ---- */

/* Time that a thread used and no sample tells of is a row that says so, without a stack. */
static void add_missing(struct answer *answer, uint32_t thread)
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
			is_asked(&answer->question, kinds[i].event)
				? reconcile_missing(answer->reconcile, thread, kinds[i].event)
				: 0;
		uint64_t address = frame_pack(MODULE_MARK, kinds[i].mark);

		if (weight == 0)
			continue;
		struct bucket_row row = {
			.thread = thread,
			.stack = stack_table_add(answer->sources.stacks, &address, 1),
			.event = kinds[i].event,
			.weight = weight,
			.certain = (float)weight,
		};
		add_row(answer, &row);
		stack_table_release(answer->sources.stacks, row.stack);
	}
}

/* Scale the slices of each row as the row was. */
static void scale_slices(struct answer *answer, const uint64_t *before)
{
	for (size_t i = 0; i < answer->slice_row_count; i++) {
		struct slice_row *slice = &answer->slice_rows[i];
		uint64_t was = before[slice->row];

		if (was)
			slice->weight =
				(uint64_t)((double)slice->weight *
					   (double)answer->rows[slice->row].weight / (double)was);
	}
}

static void settle_rows(struct answer *answer)
{
	struct process_table *processes = answer->sources.processes;
	uint32_t count = answer->row_count;
	_cleanup_free_ uint64_t *before = memory_new((count + 1) * sizeof(*before));

	if (!answer->reconcile)
		return;
	for (uint32_t i = 0; i < count; i++) {
		before[i] = answer->rows[i].weight;
		reconcile_scale(answer->reconcile, &answer->rows[i]);
	}
	for (uint32_t thread = 0; thread < process_table_thread_limit(processes); thread++)
		add_missing(answer, thread);
	if (!answer->question.idle)
		answer->idle_threads =
			idle_fold(processes, answer->sources.stacks, answer->reconcile,
				  answer->rows, answer->row_count);
	scale_slices(answer, before);
}

/* ---- Frames that need names ---- */

static int wants_frame(const struct question *question, uint64_t address)
{
	if (frame_module(address) == MODULE_MARK || frame_module(address) == MODULE_NAME)
		return 1;
	return frame_module(address) == MODULE_KERNEL ? question->kernel_frames
						      : question->user_frames;
}

static int address_is_new(struct hashmap *seen, const uint64_t *addresses, uint64_t address)
{
	uint32_t hash = hash_u64(address);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(seen, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(seen, &cursor))
		if (addresses[i] == address)
			return 0;
	return 1;
}

/* All different addresses of the rows' stacks. Owned (free). */
static uint64_t *collect_addresses(const struct answer *answer, size_t *count)
{
	const struct stack_table *stacks = answer->sources.stacks;
	_cleanup_free_ uint8_t *visited = memory_new(stack_table_limit(stacks) + 1);
	struct hashmap seen = {0};
	uint64_t *addresses = NULL;
	size_t capacity = 0;

	*count = 0;
	for (uint32_t i = 0; i < answer->row_count; i++) {
		if (!answer->rows[i].weight)
			continue;
		for (uint32_t node = answer->rows[i].stack; node != STACK_NONE && !visited[node];
		     node = stack_table_parent(stacks, node)) {
			uint64_t address = stack_table_address(stacks, node);

			visited[node] = 1;
			if (!wants_frame(&answer->question, address) ||
			    !address_is_new(&seen, addresses, address))
				continue;
			addresses =
				memory_grow(addresses, &capacity, *count + 1, sizeof(*addresses));
			hashmap_add(&seen, hash_u64(address), (uint32_t)*count);
			addresses[(*count)++] = address;
		}
	}
	hashmap_fini(&seen);
	return addresses;
}

/* ---- The profile ---- */

/* Maps from the tables' numbers to the profile's; HASHMAP_NONE: not there yet. */
struct translation {
	struct answer *answer;
	uint32_t *nodes;
	uint32_t *threads;
	uint32_t *processes;
	struct hashmap index; /* by address, into named */
	struct named {
		uint64_t address;
		uint32_t first; /* in frames */
		uint32_t count;
	} * named;
	size_t named_count;
	size_t named_capacity;
	uint32_t *frames; /* of the profile */
	uint32_t frame_count;
	size_t frame_capacity;
};

static uint32_t *new_map(uint32_t count)
{
	uint32_t *map = memory_resize(NULL, (size_t)count + 1, sizeof(*map));

	memset(map, 0xff, ((size_t)count + 1) * sizeof(*map));
	return map;
}

static uint32_t name_frame(struct translation *translation, uint64_t address, uint32_t level)
{
	struct profile *profile = translation->answer->profile;
	struct symbol_name name;

	symbolizer_name(translation->answer->sources.symbolizer, address, level,
			translation->answer->question.want, &name);
	struct profile_frame frame = {
		.name = profile_string(profile, name.name),
		.module = profile_string(profile, name.module),
		.file = profile_string(profile, name.file),
		.line = name.line,
		.kind = name.kind,
	};
	return profile_add_frame(profile, &frame);
}

/* The frames of an address, outermost first; each address is named once. */
static const struct named *translate_address(struct translation *translation, uint64_t address)
{
	uint32_t hash = hash_u64(address);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&translation->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&translation->index, &cursor))
		if (translation->named[i].address == address)
			return &translation->named[i];
	struct named named = {
		.address = address,
		.first = translation->frame_count,
		.count = symbolizer_depth(translation->answer->sources.symbolizer, address,
					  translation->answer->question.want),
	};
	translation->frames = memory_grow(translation->frames, &translation->frame_capacity,
					  (size_t)named.first + named.count, sizeof(uint32_t));
	for (uint32_t level = 0; level < named.count; level++)
		translation->frames[translation->frame_count++] =
			name_frame(translation, address, level);
	size_t number = translation->named_count++;
	translation->named = memory_grow(translation->named, &translation->named_capacity,
					 number + 1, sizeof(*translation->named));
	translation->named[number] = named;
	hashmap_add(&translation->index, hash, (uint32_t)number);
	return &translation->named[number];
}

static int is_switching(const struct translation *translation, uint64_t address,
			const struct named *named)
{
	const struct profile *profile = translation->answer->profile;
	const struct profile_frame *frame = &profile->frames[translation->frames[named->first]];

	return named->count == 1 && frame_module(address) == MODULE_KERNEL &&
	       scheduler_names_has(profile_text(profile, frame->name));
}

static uint32_t add_nodes(struct translation *translation, uint32_t parent, uint64_t address)
{
	const struct named *named = translate_address(translation, address);

	if (named->count == 1 && translation->answer->question.measure->needs >> EVENT_OFFCPU & 1 &&
	    is_switching(translation, address, named))
		return parent;
	for (uint32_t i = 0; i < named->count; i++)
		parent = profile_add_node(translation->answer->profile, parent,
					  translation->frames[named->first + i]);
	return parent;
}

/* The profile's node for a stack: climb to the first known ancestor, then come down again. */
static uint32_t translate_stack(struct translation *translation, uint32_t stack)
{
	const struct stack_table *stacks = translation->answer->sources.stacks;
	uint32_t path[STACK_MAX_DEPTH];
	uint32_t depth = 0;
	uint32_t node = PROFILE_NO_NODE;

	while (stack != STACK_NONE && translation->nodes[stack] == HASHMAP_NONE) {
		path[depth++] = stack;
		stack = stack_table_parent(stacks, stack);
	}
	if (stack != STACK_NONE)
		node = translation->nodes[stack] - 1;
	while (depth > 0) {
		uint64_t address = stack_table_address(stacks, path[--depth]);

		if (wants_frame(&translation->answer->question, address))
			node = add_nodes(translation, node, address);
		/* One more, so that "no node" (a stack without wanted frames) is 0. */
		translation->nodes[path[depth]] = node + 1;
	}
	return node;
}

/* Beside other kinds of time each says what it is, time on the CPU too. */
static uint32_t translate_row(struct translation *translation, const struct bucket_row *row)
{
	uint32_t node = translate_stack(translation, row->stack);
	uint64_t running = frame_pack(MODULE_MARK, FRAME_MARK_RUNNING);

	if (row->event != EVENT_CPU ||
	    !(translation->answer->question.measure->rows >> EVENT_OFFCPU & 1))
		return node;
	if (row->stack != STACK_NONE &&
	    stack_table_address(translation->answer->sources.stacks, row->stack) == running)
		return node;
	return add_nodes(translation, node, running);
}

static uint32_t translate_thread(struct translation *translation, uint32_t number)
{
	struct process_table *table = translation->answer->sources.processes;
	struct profile *profile = translation->answer->profile;
	const struct process_thread *thread = process_table_thread(table, number);

	if (translation->threads[number] != HASHMAP_NONE)
		return translation->threads[number];
	if (translation->processes[thread->process] == HASHMAP_NONE) {
		const struct process *process = process_table_process(table, thread->process);
		struct profile_process copy = {
			.name = profile_string(profile, process->name),
			.pid = process->pid,
			.uid = process->owner_uid,
			.start_time_ns = process->start_time_ns,
		};
		translation->processes[thread->process] = profile_add_process(profile, &copy);
	}
	struct profile_thread copy = {
		.process = translation->processes[thread->process],
		.tid = thread->tid,
		.name = profile_string(profile, thread->name),
	};
	translation->threads[number] = profile_add_thread(profile, &copy);
	return translation->threads[number];
}

static void fill_profile(struct answer *answer)
{
	struct process_table *processes = answer->sources.processes;
	_cleanup_free_ uint32_t *node_map = new_map(stack_table_limit(answer->sources.stacks));
	_cleanup_free_ uint32_t *thread_map = new_map(process_table_thread_limit(processes));
	_cleanup_free_ uint32_t *process_map = new_map(process_table_process_limit(processes));
	struct translation translation = {.answer = answer,
					  .nodes = node_map,
					  .threads = thread_map,
					  .processes = process_map};

	/* Stacks that differ by address alone become one row. */
	_cleanup_free_ uint32_t *row_map = new_map(answer->row_count);

	for (uint32_t i = 0; i < answer->row_count; i++) {
		const struct bucket_row *row = &answer->rows[i];

		if (!row->weight)
			continue;
		row_map[i] = profile_add_row(answer->profile,
					     translate_thread(&translation, row->thread),
					     translate_row(&translation, row), row->count,
					     (double)row->weight, row->variance);
		profile_add_certain(answer->profile, row_map[i], (double)row->certain,
				    (double)row->largest);
	}
	for (size_t i = 0; i < answer->slice_row_count; i++) {
		const struct slice_row *slice = &answer->slice_rows[i];

		if (row_map[slice->row] == HASHMAP_NONE)
			continue;
		profile_add_slice_row(answer->profile, slice->slice, row_map[slice->row],
				      (double)slice->weight);
	}
	hashmap_fini(&translation.index);
	free(translation.named);
	free(translation.frames);
}

static void on_named(void *context)
{
	struct answer *answer = context;
	answer_done *done = answer->done;
	void *done_context = answer->context;

	fill_profile(answer);
	struct profile *profile = steal_ptr(&answer->profile);
	free_answer(answer);
	done(done_context, profile, NULL);
}

/* Boot time as wall-clock time, by the clocks as they are now. */
static uint64_t wall_time(uint64_t boot_ns)
{
	return boot_ns + (clock_wall_ns() - clock_boot_ns());
}

static void describe_window(struct answer *answer, const struct question *question,
			    const struct bucket_window *covered, const struct bucket_totals *totals)
{
	struct profile *profile = answer->profile;
	uint64_t now_ns = clock_boot_ns();
	double kept = 0;

	profile->unit = question->measure->unit;
	profile->asked =
		(struct profile_window){wall_time(question->from_ns), wall_time(question->to_ns)};
	/* The bucket that is being filled has no future yet. */
	profile->covered = (struct profile_window){
		wall_time(covered->from_ns),
		wall_time(covered->to_ns < now_ns ? covered->to_ns : now_ns)};
	profile->rate_hz = totals->rate_hz;
	if (totals->rate_hz)
		profile->interval = (double)NS_PER_SECOND / totals->rate_hz;
	answer_cost_describe(profile, question->measure, totals);
	if (question->slices) {
		profile->slice_ns = bucket_ring_length_ns(answer->sources.history);
		profile->slice_count =
			(uint32_t)((covered->to_ns - covered->from_ns) / profile->slice_ns);
	}
	for (uint32_t i = 0; i < answer->row_count; i++)
		kept += answer->rows[i].count;
	if (totals->lost[0])
		profile_add_lost(profile, "ring_full", (double)totals->lost[0]);
	profile->taken = kept + profile_lost(profile);
	if (answer->lacks_wakers)
		profile_add_note(profile, "nobody's waker was recorded in this window; attach with "
					  "--waker to have that done");
	if (answer->idle_threads) {
		_cleanup_free_ char *note = memory_format(
			"%u thread%s slept throughout and %s left out; --idle shows them",
			answer->idle_threads, answer->idle_threads == 1 ? "" : "s",
			answer->idle_threads == 1 ? "is" : "are");

		profile_add_note(profile, note);
	}
}

static struct answer *answer_silence(struct answer *answer, const struct question *question,
				     const struct bucket_totals *totals)
{
	_cleanup_free_ char *cause =
		silence_explain(&answer->sources, question, totals ? totals->lost[0] : 0);

	answer->done(answer->context, NULL, cause);
	free_answer(answer);
	return NULL;
}

struct answer *answer_start(const struct question_sources *sources, const struct question *question,
			    answer_done *done, void *context)
{
	struct answer *answer = memory_new(sizeof(*answer));
	struct bucket_window covered = {question->from_ns, question->to_ns};
	struct bucket_totals totals = {0};
	size_t count;

	answer->sources = *sources;
	answer->question = *question;
	answer->question.selectors = NULL;
	answer->done = done;
	answer->context = context;
	if (bucket_ring_clip(sources->history, &covered))
		return answer_silence(answer, question, NULL);
	collect_rows(answer, question, &covered, &totals);
	cut_wakers(answer);
	settle_rows(answer);
	if (answer->row_count == 0)
		return answer_silence(answer, question, &totals);
	answer->profile = profile_new();
	describe_window(answer, question, &covered, &totals);
	uint64_t *addresses = collect_addresses(answer, &count);
	struct symbolizer_wait *wait = symbolizer_prepare(sources->symbolizer, addresses, count,
							  question->want, on_named, answer);
	if (!wait)
		return NULL; /* answered, and gone */
	answer->wait = wait;
	return answer;
}

void answer_cancel(struct answer *answer)
{
	if (!answer)
		return;
	symbolizer_cancel(answer->wait);
	free_answer(answer);
}
