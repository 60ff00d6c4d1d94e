/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/history/sum_table.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/targets/target_table.h"
#include "daemon/core/unwinding/late_walk.h"
#include "daemon/core/unwinding/mapping_tables.h"
#include "daemon/core/unwinding/stack_maker.h"

/* So many sums are read one by one in less time than all places where there may be one. */
#define SUMS_FEW 1024

/* Attempts to find a moment in which no sample is under way. */
#define LEDGER_TRIES 8

/* ---- The stages of a sample ---- */

/* A share of the samples is kept: throw the coin that the kernel could not throw yet. */
static int survives(uint32_t keep)
{
	return keep == UINT32_MAX || (uint32_t)random() << 1 < keep;
}

/*
 * Decide about a sample of a process that the kernel programs did not know; weight grows when only
 * some of such samples are kept.
 */
static int judge(struct pipeline *pipeline, const struct record_sample *sample, uint64_t *weight)
{
	uint32_t keep;

	if (!(sample->flags & SAMPLE_PENDING))
		return 1;
	keep = target_table_judge(pipeline->targets, sample);
	if (keep == 0 || !survives(keep)) {
		pipeline->counters.values[COUNTER_NOT_MATCHED]++;
		return 0;
	}
	*weight = (uint64_t)((double)*weight * UINT32_MAX / keep);
	pipeline->counters.values[COUNTER_MATCHED]++;
	return 1;
}

static struct stack_maker maker_of(const struct pipeline *pipeline)
{
	return (struct stack_maker){pipeline->stacks, pipeline->processes, pipeline->jit_maps,
				    pipeline->waker_names};
}

static uint32_t make_stack(const struct pipeline *pipeline, uint32_t thread,
			   const struct record_sample *sample, enum frame_mark leaf)
{
	const struct stack_maker maker = maker_of(pipeline);

	return stack_maker_add(&maker, thread, sample, leaf);
}

static void credit_targets(struct pipeline *pipeline, uint32_t thread,
			   const struct record_sample *sample, uint64_t weight)
{
	struct process *process = process_table_process(
		pipeline->processes, process_table_thread(pipeline->processes, thread)->process);

	target_table_select(pipeline->targets, process);
	for (uint32_t i = 0; i < process->target_count; i++) {
		struct target *target =
			target_table_by_number(pipeline->targets, process->targets[i]);

		target->samples++;
		target->cpu_samples++;
		target->weight_ns += weight;
		target->cost_ns += sample->cost_ns;
	}
}

/* A sample with all the frames that it will have. */
static void on_whole_sample(void *context, const struct record_sample *sample)
{
	struct pipeline *pipeline = context;
	uint64_t weight = sample->weight;

	if (!judge(pipeline, sample, &weight))
		return;
	if (pipeline->mapping_tables)
		mapping_tables_on_sample(pipeline->mapping_tables, sample);
	cgroup_table_learn(pipeline->cgroups, sample->cgroup_id, sample->pid);
	uint32_t thread = process_table_add(pipeline->processes, sample);
	uint32_t stack = make_stack(pipeline, thread, sample, FRAME_MARK_NONE);
	credit_targets(pipeline, thread, sample, weight);
	if (bucket_ring_add(pipeline->history, sample->time_ns, sample->event, thread, stack,
			    weight)) {
		pipeline->counters.values[COUNTER_LOST_LATE]++;
		process_table_release(pipeline->processes, thread);
		stack_table_release(pipeline->stacks, stack);
		return;
	}
	pipeline->counters.values[COUNTER_KEPT]++;
	struct bucket_totals *totals = bucket_ring_totals(pipeline->history, sample->time_ns);
	cost_add(&totals->costs[COST_CPU],
		 &(struct cost){.spent_ns = sample->cost_ns +
					    (uint64_t)pipeline_ns_per_record(pipeline),
				.base_ns = weight});
	/* What comes behind a detach was still sampled at the rate before. */
	if (target_table_rate_hz(pipeline->targets))
		totals->rate_hz = target_table_rate_hz(pipeline->targets);
}

static void on_sample(void *context, const struct record_sample *sample)
{
	struct pipeline *pipeline = context;

	if (!late_walks_add_sample(pipeline->late_walks, sample))
		on_whole_sample(pipeline, sample);
}

void pipeline_set_modules(struct pipeline *pipeline, struct module_table *modules)
{
	pipeline->modules = modules;
	pipeline->late_walks = late_walks_new(modules, on_whole_sample, pipeline);
}

void pipeline_fini(struct pipeline *pipeline)
{
	late_walks_free(pipeline->late_walks);
}

/* ---- What the kernel adds up ---- */

static int is_waiting(uint32_t reason)
{
	return reason == FRAME_MARK_PREEMPTED || reason == FRAME_MARK_THROTTLED ||
	       reason == FRAME_MARK_YIELDED;
}

/* A stack that sums will refer to. */
static void on_sum(void *context, const struct record_sample *sample)
{
	struct pipeline *pipeline = context;
	enum frame_mark reason = sample->reason < FRAME_MARK_COUNT ? (enum frame_mark)sample->reason
								   : FRAME_MARK_BLOCKED;

	if (sample->flags & SAMPLE_PENDING) {
		/* The kernel programs only ask whether they should look at this process. */
		target_table_judge(pipeline->targets, sample);
		return;
	}
	if (pipeline->mapping_tables)
		mapping_tables_on_sample(pipeline->mapping_tables, sample);
	cgroup_table_learn(pipeline->cgroups, sample->cgroup_id, sample->pid);
	struct sum_stack stack = {.id = sample->id,
				  .event = sample->event,
				  .thread = process_table_add(pipeline->processes, sample),
				  .stacks = {STACK_NONE, STACK_NONE}};
	stack.stacks[SUM_BLOCKED] = make_stack(pipeline, stack.thread, sample, reason);
	if (sample->event == EVENT_OFFCPU)
		stack.stacks[SUM_WAITED] =
			make_stack(pipeline, stack.thread, sample,
				   is_waiting(reason) ? reason : FRAME_MARK_RUN_QUEUE);
	sum_table_add(pipeline->sums, &stack, sample->time_ns);
}

/* Who ended a sleep that was announced before. */
static void on_waker(void *context, const struct record_sample *waker, uint64_t sleep_id)
{
	struct pipeline *pipeline = context;
	const struct sum_stack *sleep = sum_table_find(pipeline->sums, sleep_id);

	if (!sleep || sleep->event != EVENT_OFFCPU)
		return;
	if (!sum_table_find(pipeline->sums, waker->id)) {
		const struct stack_maker maker = maker_of(pipeline);
		struct sum_stack both = *sleep;

		both.id = waker->id;
		both.stacks[SUM_BLOCKED] = stack_maker_add_waker(&maker, waker, sleep->thread,
								 sleep->stacks[SUM_BLOCKED]);
		process_table_keep(pipeline->processes, both.thread);
		stack_table_keep(pipeline->stacks, both.stacks[SUM_WAITED]);
		sum_table_add(pipeline->sums, &both, clock_boot_ns());
	}
	if (waker->flags & SAMPLE_COUNTED)
		sum_table_move(pipeline->sums, sleep_id, waker->id, waker->time_ns);
}

static void add_total(struct pipeline *pipeline, const struct record_sample *look, uint32_t thread,
		      uint32_t event, uint64_t weight_ns)
{
	struct bucket_measure measure = {
		.count = 1, .weight = weight_ns, .certain = (double)weight_ns};

	if (weight_ns == 0)
		return;
	process_table_keep(pipeline->processes, thread);
	bucket_ring_spread(pipeline->history, look->time_ns - look->frames[LOOK_ELAPSED],
			   look->time_ns, event, thread, STACK_NONE, &measure);
}

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

/* Its stacks need not be kept for another of its sleeps. */
static void end_thread(struct pipeline *pipeline, const struct record_sample *look)
{
	uint32_t thread = process_table_add(pipeline->processes, look);

	sum_table_end(pipeline->sums, thread);
	process_table_release(pipeline->processes, thread);
}

/* What a thread used since the last look, by the scheduler's account. */
static void on_look(void *context, const struct record_sample *look)
{
	struct pipeline *pipeline = context;
	uint64_t elapsed_ns = look->frames[LOOK_ELAPSED];

	if (look->flags & SAMPLE_LAST)
		end_thread(pipeline, look);
	if (elapsed_ns == 0 || elapsed_ns > look->time_ns)
		return;
	cgroup_table_learn(pipeline->cgroups, look->cgroup_id, look->pid);
	uint32_t thread = process_table_add(pipeline->processes, look);
	/* The account of what runs at this moment is a tick old. */
	uint64_t cpu_ns = at_most(look->frames[LOOK_CPU], elapsed_ns);
	uint64_t waited_ns = at_most(look->frames[LOOK_WAITED], elapsed_ns - cpu_ns);
	pipeline->looked_cpu_ns += cpu_ns;
	charges_add(
		&pipeline->charges, pipeline->targets,
		process_table_process(pipeline->processes,
				      process_table_thread(pipeline->processes, thread)->process),
		&(struct watched){.looks = 1,
				  .cpu_ns = cpu_ns,
				  .hits = look->frames[LOOK_HITS],
				  .walks = look->frames[LOOK_WALKS]});
	if (look->event != EVENT_OFFCPU) {
		process_table_release(pipeline->processes, thread);
		return;
	}
	add_total(pipeline, look, thread, EVENT_TOTAL_CPU, cpu_ns);
	add_total(pipeline, look, thread, EVENT_TOTAL_RUNQUEUE, waited_ns);
	add_total(pipeline, look, thread, EVENT_TOTAL_OFFCPU, elapsed_ns - cpu_ns - waited_ns);
	process_table_release(pipeline->processes, thread);
}

/* The sums of one look on their way into the history. */
struct summing {
	struct pipeline *pipeline;
	uint64_t from_ns;
	uint64_t to_ns;
};

static void credit_samples(struct pipeline *pipeline, uint32_t thread, int events)
{
	struct process *process = process_table_process(
		pipeline->processes, process_table_thread(pipeline->processes, thread)->process);

	target_table_select(pipeline->targets, process);
	for (uint32_t i = 0; i < process->target_count; i++) {
		struct target *target =
			target_table_by_number(pipeline->targets, process->targets[i]);

		target->samples += (uint64_t)events;
	}
}

static void add_sum(void *context, uint64_t id, const struct sum *sum)
{
	struct summing *summing = context;
	struct pipeline *pipeline = summing->pipeline;
	uint32_t thread;
	int events =
		sum_table_apply(pipeline->sums, id, sum, summing->from_ns, summing->to_ns, &thread);

	/* Not known: announced after the ring buffer was emptied, and of the next look. */
	if (events <= 0)
		return;
	pipeline->counters.values[COUNTER_SUMMED] += (uint64_t)events;
	credit_samples(pipeline, thread, events);
}

/* Add up what all stacks have grown by. */
static void add_sums(struct pipeline *pipeline, struct summing *summing)
{
	uint32_t count = sum_table_count(pipeline->sums);
	_cleanup_free_ uint64_t *ids = NULL;
	struct sum sum;

	if (count > SUMS_FEW) {
		sampler_each_sum(pipeline->sampler, add_sum, summing);
		return;
	}
	ids = memory_new((count + 1) * sizeof(*ids));
	sum_table_ids(pipeline->sums, ids);
	for (uint32_t i = 0; i < count; i++)
		if (!sampler_read_sum(pipeline->sampler, ids[i], &sum))
			add_sum(summing, ids[i], &sum);
}

static void forget_sum(void *context, uint64_t id)
{
	struct pipeline *pipeline = context;

	sampler_forget_sum(pipeline->sampler, id);
}

uint64_t pipeline_look(struct pipeline *pipeline)
{
	uint64_t cpu_ns = pipeline->looked_cpu_ns;
	struct summing summing = {pipeline, pipeline->looked_ns, clock_boot_ns()};
	int error = sampler_look(pipeline->sampler);

	if (error)
		log_error_errno(error, "The threads could not be looked at");
	/* Stacks before sums: what is still unknown then came after the look. */
	sampler_drain(pipeline->sampler);
	if (summing.from_ns == 0 || summing.from_ns >= summing.to_ns)
		summing.from_ns = summing.to_ns - 1;
	add_sums(pipeline, &summing);
	sum_table_settle(pipeline->sums, summing.to_ns);
	pipeline->looked_ns = summing.to_ns;
	struct sampler_settings *settings = sampler_settings(pipeline->sampler);
	settings->period++;
	struct bucket_totals *totals = bucket_ring_totals(pipeline->history, summing.from_ns);
	if (totals && settings->duty != UINT32_MAX)
		totals->duty = (float)settings->duty / (float)UINT32_MAX;
	sum_table_evict(pipeline->sums, summing.to_ns, forget_sum, pipeline);
	return pipeline->looked_cpu_ns - cpu_ns;
}

/* ---- The heap ---- */

/* The sample of an allocation with everything that its process is known by. */
static void complete_sample(struct record_sample *sample, const struct record_sample *known,
			    const struct heap_identity *identity)
{
	size_t frames = known->user_count * sizeof(known->frames[0]);

	*sample = (struct record_sample){
		.start_time_ns = identity->start_time_ns,
		.cgroup_id = identity->cgroup_id,
		.pid = identity->pid,
		.parent_pid = identity->parent_pid,
		.target = identity->target,
		.owner_uid = identity->owner_uid,
		.owner_gid = identity->owner_gid,
		.event = EVENT_HEAP,
	};
	memcpy(sample->process_name, identity->name, sizeof(sample->process_name));
	sample->weight = known->weight;
	sample->tid = known->tid;
	sample->walk_end = known->walk_end;
	sample->user_count = known->user_count;
	memcpy(sample->thread_name, known->thread_name, sizeof(sample->thread_name));
	memcpy(sample->frames, known->frames, frames);
}

static void on_heap(void *context, const struct record_heap *record,
		    const struct record_sample *known)
{
	struct pipeline *pipeline = context;
	struct heap_process *process = heap_table_by_slot(pipeline->heaps, record->slot);
	uint64_t space[(sizeof(struct record_sample) + RECORD_USER_FRAMES * sizeof(uint64_t)) /
		       sizeof(uint64_t)];
	struct record_sample *sample = (void *)space;

	if (!process)
		return;
	if (!known) {
		heap_process_on_record(process, record, 0, 0, 0);
		return;
	}
	complete_sample(sample, known, heap_process_identity(process));
	uint32_t thread = process_table_add(pipeline->processes, sample);
	uint32_t stack = make_stack(pipeline, thread, sample, FRAME_MARK_NONE);
	credit_samples(pipeline, thread, 1);
	pipeline->counters.values[COUNTER_HEAP_RECORDS]++;
	heap_process_on_record(process, record, thread, stack, sample->weight);
	process_table_release(pipeline->processes, thread);
	stack_table_release(pipeline->stacks, stack);
}

/* ---- Other records ---- */

static void on_stack(void *context, const struct record_stack *stack)
{
	struct pipeline *pipeline = context;

	late_walks_add_stack(pipeline->late_walks, stack);
}

static void on_module(void *context, const struct record_module *record)
{
	struct pipeline *pipeline = context;

	module_table_add(pipeline->modules, record);
}

static void on_process(void *context, const struct record_process *record)
{
	static const enum core_counter counted[] = {
		[RECORD_FORK] = COUNTER_FORKS,
		[RECORD_EXEC] = COUNTER_EXECS,
		[RECORD_EXIT] = COUNTER_EXITS,
	};
	struct pipeline *pipeline = context;

	if (record->header.type != RECORD_CHILD) {
		pipeline->counters.values[counted[record->header.type]]++;
		target_table_on_process(pipeline->targets, record);
	}
	heap_table_on_process(pipeline->heaps, record);
}

static void on_malformed(void *context)
{
	struct pipeline *pipeline = context;

	pipeline->counters.values[COUNTER_LOST_MALFORMED]++;
}

static uint64_t read_ring_lost(const struct pipeline *pipeline)
{
	return sampler_read_counter(pipeline->sampler, KERNEL_COUNTER_LOST_RING) +
	       sampler_read_counter(pipeline->sampler, KERNEL_COUNTER_LOST_PENDING) +
	       sampler_read_counter(pipeline->sampler, KERNEL_COUNTER_THROTTLED);
}

/* What the ring buffer refused since the last time was lost just now. */
static void on_drained(void *context)
{
	struct pipeline *pipeline = context;
	uint64_t now_ns = clock_boot_ns();
	uint64_t lost = read_ring_lost(pipeline);

	if (lost != pipeline->ring_lost) {
		struct bucket_totals *totals = bucket_ring_totals(pipeline->history, now_ns);

		if (totals)
			totals->lost[EVENT_CPU] += lost - pipeline->ring_lost;
		pipeline->ring_lost = lost;
	}
	heap_table_on_drained(pipeline->heaps);
	late_walks_continue(pipeline->late_walks, now_ns);
	pipeline->counters.values[COUNTER_FINISHED] = late_walks_finished(pipeline->late_walks);
	bucket_ring_evict(pipeline->history, now_ns);
}

/* Targets may change now, which makes the watch look at all threads and read the ring buffer. */
static void on_rest(void *context)
{
	struct pipeline *pipeline = context;

	target_table_settle(pipeline->targets);
}

struct sampler_receiver pipeline_receiver(struct pipeline *pipeline)
{
	return (struct sampler_receiver){
		.context = pipeline,
		.on_sample = on_sample,
		.on_module = on_module,
		.on_stack = on_stack,
		.on_process = on_process,
		.on_sum = on_sum,
		.on_waker = on_waker,
		.on_look = on_look,
		.on_heap = on_heap,
		.on_malformed = on_malformed,
		.on_drained = on_drained,
		.on_rest = on_rest,
	};
}

static void count(const struct pipeline *pipeline, struct pipeline_ledger *ledger)
{
	const uint64_t *core = pipeline->counters.values;
	uint64_t kernel[KERNEL_COUNTER_COUNT];

	sampler_read_counters(pipeline->sampler, kernel);
	ledger->ring_full = kernel[KERNEL_COUNTER_LOST_RING] + kernel[KERNEL_COUNTER_LOST_PENDING];
	ledger->throttled = kernel[KERNEL_COUNTER_THROTTLED];
	ledger->late = core[COUNTER_LOST_LATE];
	ledger->malformed = core[COUNTER_LOST_MALFORMED];
	/* What the kernel added up is taken and kept in one. */
	ledger->kept = core[COUNTER_KEPT] + core[COUNTER_SUMMED];
	/* Pending samples count from the moment they are known to be wanted, or lost. */
	ledger->sums_full = kernel[KERNEL_COUNTER_LOST_SUMS] + kernel[KERNEL_COUNTER_LOST_STACK];
	ledger->taken = kernel[KERNEL_COUNTER_TAKEN] + core[COUNTER_MATCHED] +
			kernel[KERNEL_COUNTER_LOST_PENDING] + core[COUNTER_SUMMED] +
			ledger->sums_full;
}

void pipeline_read_ledger(struct pipeline *pipeline, struct pipeline_ledger *ledger)
{
	for (int i = 0; i < LEDGER_TRIES; i++) {
		sampler_drain(pipeline->sampler);
		count(pipeline, ledger);
		uint64_t known = ledger->kept + ledger->ring_full + ledger->throttled +
				 ledger->late + ledger->malformed + ledger->sums_full;

		ledger->in_flight = ledger->taken > known ? ledger->taken - known : 0;
		if (ledger->taken == known)
			return;
	}
}

double pipeline_ns_per_record(const struct pipeline *pipeline)
{
	uint64_t records = sampler_records(pipeline->sampler);

	if (!records)
		records = pipeline->counters.values[COUNTER_KEPT];

	return records ? (double)sampler_drain_cpu_ns(pipeline->sampler) / (double)records : 0;
}

uint64_t pipeline_lost(const struct pipeline *pipeline)
{
	return pipeline->ring_lost + pipeline->counters.values[COUNTER_LOST_LATE] +
	       pipeline->counters.values[COUNTER_LOST_MALFORMED];
}
