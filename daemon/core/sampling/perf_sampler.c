/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_sampler.h"

#include <errno.h>
#include <event2/event.h>
#include <linux/perf_event.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/processes/cgroup_lineage.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/processes/process_info.h"
#include "daemon/core/sampling/perf_backlog.h"
#include "daemon/core/sampling/perf_merge.h"
#include "daemon/core/sampling/perf_processes.h"
#include "daemon/core/sampling/perf_tasks.h"
#include "daemon/core/sampling/profiled_set.h"
#include "daemon/core/sampling/receiver.h"
#include "daemon/core/unwinding/mapping_list.h"
#include "daemon/core/workers/broker_client.h"

/* A pc that lies nowhere is put down to exec when that was not longer ago. */
#define EXEC_NS (100 * NS_PER_MS)

/* What a process is called that was sampled, was not known, and is gone. */
static const char gone_name[RECORD_NAME_BYTES] = "[exited]";

struct perf_cpu {
	struct event *readable[PERF_RING_COUNT];
	uint64_t throttled_ns; /* since then the kernel takes no samples; 0: it does */
};

struct perf_sampler {
	struct sampler_receiver receiver;
	struct perf_sampler_setup setup;
	uint64_t fields;
	int is_active;
	uint64_t interval_ns;   /* of the samples that are in the rings */
	uint64_t boot_ahead_ns; /* of PERF_CLOCK */
	uint64_t malformed;     /* of them it was told */
	struct event *cpu_check;
	struct perf_merge *merge;
	struct perf_processes *processes;
	struct perf_backlog *backlog;
	struct profiled_set *profiled;
	struct cgroup_lineage *lineage;
	struct perf_tasks *tasks;
	uint64_t counters[KERNEL_COUNTER_COUNT];
	uint32_t cpu_count;
	struct perf_cpu cpus[];
};

static void count(struct perf_sampler *sampler, uint32_t counter, uint64_t number)
{
	sampler->counters[counter] += number;
}

/* ---- Samples ---- */

static uint64_t cgroup_of(const struct perf_sampler *sampler, struct perf_process *process,
			  const struct perf_sample *sample)
{
	char path[PROCESS_INFO_PATH_BYTES];
	_cleanup_free_ char *canonical = NULL;

	if (sampler->fields & PERF_SAMPLE_CGROUP)
		return sample->cgroup_id;
	/* Once: that a process moved to another cgroup goes unnoticed on such a kernel. */
	if (!process->cgroup_id &&
	    (process_info_read_cgroup(process->pid, path, sizeof(path)) ||
	     cgroup_table_resolve(sampler->setup.cgroups, path, &process->cgroup_id, &canonical)))
		process->cgroup_id = 0;
	return process->cgroup_id;
}

/* A sample with room for every frame. */
union sample_room {
	struct record_sample sample;
	uint64_t words[sizeof(struct record_sample) / sizeof(uint64_t) + RECORD_KERNEL_FRAMES +
		       RECORD_USER_FRAMES];
};

static struct profiled_verdict judge(const struct perf_sampler *sampler,
				     const struct perf_process *process,
				     const struct perf_sample *sample, uint64_t cgroup_id)
{
	const struct sampler_settings *settings = profiled_set_settings(sampler->profiled);
	uint64_t cgroups[CGROUP_LINEAGE_LEVELS];
	struct profiled_subject subject = {
		.pid = process->pid,
		.is_kernel_thread = !sample->has_user,
		.start_time_ns = process->start_time_ns,
		.cgroups = cgroups,
	};

	memcpy(subject.name, process->name, sizeof(subject.name));
	if (settings->match_cgroups && sample->has_user)
		subject.cgroup_count =
			cgroup_lineage_find(sampler->lineage, cgroup_id, process->pid, cgroups);
	return profiled_set_judge(sampler->profiled, &subject);
}

/* A share of the samples is kept: throw a coin. */
static int survives(uint32_t keep)
{
	return keep == PROFILED_KEEP_ALL || (uint32_t)random() << 1 < keep;
}

/* What a sample stands for, when a share of keep of them is kept. Units: ns. */
static uint64_t weight_of(const struct perf_sampler *sampler, uint32_t keep)
{
	return keep == PROFILED_KEEP_ALL
		       ? sampler->interval_ns
		       : (uint64_t)((double)sampler->interval_ns * PROFILED_KEEP_ALL / keep);
}

/* Everything of the sample that is not the user stack. */
static void identify(struct perf_sampler *sampler, struct perf_process *process,
		     const struct perf_record *from, struct record_sample *sample)
{
	uint32_t kernel_count = from->sample.kernel_count;

	if (kernel_count > RECORD_KERNEL_FRAMES)
		kernel_count = RECORD_KERNEL_FRAMES;
	if (!profiled_set_settings(sampler->profiled)->kernel_stacks)
		kernel_count = 0;
	sample->header.type = RECORD_SAMPLE;
	sample->start_time_ns = process->start_time_ns;
	sample->pid = process->pid;
	sample->tid = from->tid;
	sample->parent_pid = process->parent_pid;
	sample->owner_uid = process->owner_uid;
	sample->owner_gid = process->owner_gid;
	sample->cost_ns = PERF_SAMPLE_COST_NS;
	sample->cpu = (uint16_t)from->cpu;
	sample->event = EVENT_CPU;
	sample->flags |= from->sample.in_kernel ? SAMPLE_IN_KERNEL : 0;
	sample->kernel_count = (uint16_t)kernel_count;
	memcpy(sample->process_name, process->name, sizeof(sample->process_name));
	memcpy(sample->thread_name, perf_process_thread_name(process, from->tid),
	       sizeof(sample->thread_name));
	if (kernel_count)
		memcpy(sample->frames, from->sample.kernel_frames,
		       kernel_count * sizeof(sample->frames[0]));
}

/* Make what goes on its way of the stack. */
static struct perf_waiting prepare_walk(struct perf_process *process,
					const struct perf_sample *from,
					struct record_sample *sample)
{
	struct perf_waiting waiting = {
		.sample = sample,
		.stack = {.address = from->registers[SAVED_RSP],
			  .bytes = from->stack,
			  .size = from->stack_bytes,
			  .mappings = process->mappings.mappings,
			  .mapping_count = process->mappings.count},
		.has_mappings = process->state == PERF_MAPPINGS_KNOWN,
	};

	copied_walk_start(&waiting.walk, from->registers);
	if (!from->has_user || from->is_32_bit) {
		sample->walk_end = from->has_user ? WALK_UNSUPPORTED : WALK_NO_USER;
		waiting.is_walked = 1;
	}
	return waiting;
}

/* Between two programs the registers are still those of the one that was. */
static int is_between(const struct perf_process *process, const struct perf_sample *from,
		      uint64_t time_ns)
{
	return from->in_kernel && process->exec_ns && time_ns < process->exec_ns + EXEC_NS &&
	       !mapping_list_find(process->mappings.mappings, process->mappings.count,
				  from->registers[SAVED_RIP]);
}

static void take_sample(struct perf_sampler *sampler, struct perf_process *process,
			const struct perf_record *record, struct record_sample *sample)
{
	const struct perf_sample *from = &record->sample;
	struct perf_waiting waiting;

	if (from->has_user) {
		perf_process_read_owner(process, clock_boot_ns());
		perf_tasks_ask_mappings(sampler->tasks, process);
	}
	identify(sampler, process, record, sample);
	waiting = prepare_walk(process, from, sample);
	if (sample->time_ns < process->owner_since_ns)
		sample->owner_uid = sample->owner_gid = RECORD_NO_OWNER;
	if (sample->owner_uid != RECORD_NO_OWNER && process->owner_ns > sample->time_ns)
		waiting.sure_ns = process->owner_ns;
	if (!waiting.is_walked && is_between(process, from, sample->time_ns)) {
		sample->walk_end = WALK_EXEC;
		waiting.is_walked = 1;
	}
	perf_backlog_add(sampler->backlog, &waiting);
}

static void on_sample(struct perf_sampler *sampler, const struct perf_record *record,
		      uint64_t time_ns)
{
	union sample_room room = {.sample = {.time_ns = time_ns}};
	struct record_sample *sample = &room.sample;
	struct perf_process unknown = {
		.pid = record->pid,
		.start_time_ns = time_ns,
		.owner_uid = RECORD_NO_OWNER,
		.owner_gid = RECORD_NO_OWNER,
		.state = PERF_MAPPINGS_KNOWN,
	};
	struct perf_process *process;
	struct profiled_verdict verdict;
	struct profiled profiled;

	/* Most samples may be of no interest: nothing is found out about those. */
	if (!record->pid || (!profiled_set_is_open(sampler->profiled) &&
			     !profiled_set_follows(sampler->profiled, record->pid, &profiled)))
		return;
	process = perf_processes_meet(sampler->processes, record->pid);
	if (!process) {
		memcpy(unknown.name, gone_name, sizeof(unknown.name));
		process = &unknown;
	}
	sample->cgroup_id = cgroup_of(sampler, process, &record->sample);
	verdict = judge(sampler, process, &record->sample, sample->cgroup_id);
	if (verdict.is_pending)
		verdict.keep = PROFILED_KEEP_ALL;
	if (!verdict.keep || !survives(verdict.keep))
		return;
	sample->weight = weight_of(sampler, verdict.keep);
	sample->target = verdict.target;
	sample->flags = verdict.is_pending ? SAMPLE_PENDING : 0;
	count(sampler, verdict.is_pending ? KERNEL_COUNTER_PENDING : KERNEL_COUNTER_TAKEN, 1);
	take_sample(sampler, process, record, sample);
	free(unknown.threads);
}

/* It has all the frames that it will have. */
static void on_walked(void *context, const struct record_sample *sample)
{
	struct perf_sampler *sampler = context;

	count(sampler, KERNEL_COUNTER_WALK_FIRST + sample->walk_end, 1);
	sampler->receiver.on_sample(sampler->receiver.context, sample);
}

/* ---- What was lost ---- */

static void on_lost(struct perf_sampler *sampler, const struct perf_merged *merged)
{
	uint64_t lost = merged->record.lost;

	if (merged->kind == PERF_RING_SAMPLES) {
		count(sampler, KERNEL_COUNTER_TAKEN, lost);
		count(sampler, KERNEL_COUNTER_LOST_RING, lost);
		return;
	}
	count(sampler, KERNEL_COUNTER_LOST_RECORDS, lost);
	/* Nobody knows what happened meanwhile: meet all of them anew. */
	perf_processes_clear(sampler->processes);
}

/* While an event is throttled it makes no samples: count those that there would have been. */
static void on_throttle(struct perf_sampler *sampler, const struct perf_merged *merged)
{
	uint64_t interval_ns = sampler->interval_ns;
	struct perf_cpu *cpu = &sampler->cpus[merged->cpu];
	uint64_t time_ns = merged->record.time_ns, missed = 0;

	if (merged->record.type == PERF_RECORD_THROTTLE) {
		cpu->throttled_ns = time_ns;
		return;
	}
	if (cpu->throttled_ns && cpu->throttled_ns < time_ns && interval_ns)
		missed = (time_ns - cpu->throttled_ns) / interval_ns;
	cpu->throttled_ns = 0;
	count(sampler, KERNEL_COUNTER_TAKEN, missed);
	count(sampler, KERNEL_COUNTER_THROTTLED, missed);
}

/* What contradicted itself may have been a sample. */
static void on_malformed(struct perf_sampler *sampler)
{
	while (sampler->malformed < perf_merge_malformed(sampler->merge)) {
		sampler->malformed++;
		count(sampler, KERNEL_COUNTER_TAKEN, 1);
		sampler->receiver.on_malformed(sampler->receiver.context);
	}
}

/* ---- The rings ---- */

static void handle(struct perf_sampler *sampler, const struct perf_merged *merged)
{
	const struct perf_record *record = &merged->record;
	uint64_t time_ns = record->time_ns + sampler->boot_ahead_ns;

	switch (record->type) {
	case PERF_RECORD_SAMPLE:
		on_sample(sampler, record, time_ns);
		break;
	case PERF_RECORD_LOST:
		on_lost(sampler, merged);
		break;
	case PERF_RECORD_THROTTLE:
	case PERF_RECORD_UNTHROTTLE:
		on_throttle(sampler, merged);
		break;
	default:
		perf_tasks_on_record(sampler->tasks, record, time_ns);
		break;
	}
}

void perf_sampler_drain(struct perf_sampler *sampler)
{
	uint64_t interval_ns = profiled_set_settings(sampler->profiled)->interval_ns;
	uint64_t now_ns = clock_read_ns(PERF_CLOCK);
	const struct perf_merged *merged;

	/* Rings that are looked at later may tell of things that depend on what is not seen yet. */
	sampler->boot_ahead_ns = clock_boot_ns() - clock_read_ns(PERF_CLOCK);
	perf_merge_look(sampler->merge);
	if (!sampler->interval_ns)
		sampler->interval_ns = interval_ns;
	while ((merged = perf_merge_next(sampler->merge, now_ns)))
		handle(sampler, merged);
	perf_merge_release(sampler->merge);
	/* What was in the rings when it changed was still taken at the interval before. */
	sampler->interval_ns = interval_ns;
	on_malformed(sampler);
	perf_backlog_continue(sampler->backlog, now_ns + sampler->boot_ahead_ns);
	perf_processes_sweep(sampler->processes);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct perf_sampler *sampler = context;

	(void)fd;
	(void)what;
	sampler->setup.on_readable(sampler->setup.context);
}

/* A request for the rings of a CPU. */
struct ring_question {
	struct perf_sampler *sampler;
	uint32_t cpu;
};

static void forget_events(struct perf_cpu *cpu)
{
	for (int kind = 0; kind < PERF_RING_COUNT; kind++) {
		if (cpu->readable[kind])
			event_free(cpu->readable[kind]);
		cpu->readable[kind] = NULL;
	}
}

static void on_rings_opened(void *context, int error, const int *fds, size_t fd_count)
{
	_cleanup_free_ struct ring_question *question = context;
	struct perf_sampler *sampler = question->sampler;
	struct perf_cpu *cpu = &sampler->cpus[question->cpu];

	if (error == -ECANCELED || error == -EALREADY || error == -ENODEV)
		return;
	if (!error && fd_count != PERF_RING_COUNT) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		error = -EPROTO;
	}
	if (!error) {
		forget_events(cpu);
		error = perf_merge_add(sampler->merge, question->cpu, fds);
	}
	if (error) {
		log_error_errno(error, "The perf rings of a CPU cannot be had: cpu=%u",
				question->cpu);
		return;
	}
	for (int kind = 0; kind < PERF_RING_COUNT; kind++) {
		cpu->readable[kind] = event_new(sampler->setup.base, fds[kind],
						EV_READ | EV_PERSIST, on_readable, sampler);
		event_add(cpu->readable[kind], NULL);
	}
}

static void ask_rings(struct perf_sampler *sampler)
{
	for (uint32_t cpu = 0; cpu < sampler->cpu_count; cpu++) {
		struct broker_request request = {.type = BROKER_OPEN_RINGS, .value = cpu};
		struct ring_question *question = memory_new(sizeof(*question));

		*question = (struct ring_question){sampler, cpu};
		broker_client_send(sampler->setup.broker, &request, on_rings_opened, question);
	}
}

static void on_cpu_check(evutil_socket_t fd, short what, void *context)
{
	struct perf_sampler *sampler = context;

	(void)fd;
	(void)what;
	if (sampler->is_active)
		ask_rings(sampler);
}

/* ---- Life ---- */

struct perf_sampler *perf_sampler_new(const struct perf_sampler_setup *setup)
{
	uint32_t cpu_count = setup->hello->cpu_count;
	struct perf_sampler *sampler =
		memory_new(sizeof(*sampler) + cpu_count * sizeof(sampler->cpus[0]));
	struct timeval period = {.tv_sec = PERF_CPU_CHECK_SEC};

	sampler->setup = *setup;
	sampler->setup.hello = NULL;
	sampler->receiver = *setup->receiver;
	sampler->setup.receiver = &sampler->receiver;
	sampler->fields = setup->hello->perf_fields;
	sampler->cpu_count = cpu_count;
	sampler->merge = perf_merge_new(cpu_count, sampler->fields);
	sampler->processes = perf_processes_new();
	sampler->backlog = perf_backlog_new(setup->modules, sampler->processes, on_walked, sampler);
	sampler->profiled = profiled_set_new();
	sampler->lineage = cgroup_lineage_new(setup->cgroups);
	sampler->tasks = perf_tasks_new(&(struct perf_tasks_setup){
		.receiver = &sampler->receiver,
		.broker = setup->broker,
		.processes = sampler->processes,
		.profiled = sampler->profiled,
		.backlog = sampler->backlog,
		.counters = sampler->counters,
	});
	sampler->cpu_check = event_new(setup->base, -1, EV_PERSIST, on_cpu_check, sampler);
	event_add(sampler->cpu_check, &period);
	ask_rings(sampler);
	return sampler;
}

void perf_sampler_free(struct perf_sampler *sampler)
{
	if (!sampler)
		return;
	event_free(sampler->cpu_check);
	for (uint32_t i = 0; i < sampler->cpu_count; i++)
		forget_events(&sampler->cpus[i]);
	perf_backlog_free(sampler->backlog);
	perf_merge_free(sampler->merge);
	perf_processes_free(sampler->processes);
	profiled_set_free(sampler->profiled);
	cgroup_lineage_free(sampler->lineage);
	perf_tasks_free(sampler->tasks);
	free(sampler);
}

void perf_sampler_set_active(struct perf_sampler *sampler, int is_active)
{
	if (is_active == sampler->is_active)
		return;
	sampler->is_active = is_active;
	if (is_active)
		perf_merge_discard(sampler->merge);
	else
		perf_backlog_flush(sampler->backlog);
	/* Nothing is told of them from now on, or was until now. */
	perf_processes_clear(sampler->processes);
}

struct profiled_set *perf_sampler_profiled(struct perf_sampler *sampler)
{
	return sampler->profiled;
}

int perf_sampler_add_process(struct perf_sampler *sampler, uint32_t pid,
			     const struct profiled *profiled)
{
	int error = profiled_set_add_process(sampler->profiled, pid, profiled);

	if (!error && sampler->is_active)
		perf_tasks_prepare(sampler->tasks, pid, profiled->start_time_ns);
	return error;
}

uint64_t perf_sampler_read_counter(const struct perf_sampler *sampler, uint32_t counter)
{
	return sampler->counters[counter];
}
