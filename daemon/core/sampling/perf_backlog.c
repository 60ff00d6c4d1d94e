/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_backlog.h"

#include <errno.h>
#include <string.h>

#include "common/memory.h"
#include "daemon/core/sampling/perf_processes.h"

struct perf_backlog {
	const struct module_table *modules;
	struct perf_processes *processes;
	void (*on_done)(void *context, const struct record_sample *sample);
	void *context;
	struct perf_waiting waiting[PERF_BACKLOG_MAX]; /* what they point at is owned */
	size_t count;
};

struct perf_backlog *
perf_backlog_new(const struct module_table *modules, struct perf_processes *processes,
		 void (*on_done)(void *context, const struct record_sample *sample), void *context)
{
	struct perf_backlog *backlog = memory_new(sizeof(*backlog));

	backlog->modules = modules;
	backlog->processes = processes;
	backlog->on_done = on_done;
	backlog->context = context;
	return backlog;
}

static void fini(struct perf_waiting *waiting)
{
	free(waiting->sample);
	free((void *)(uintptr_t)waiting->stack.bytes);
	free((void *)(uintptr_t)waiting->stack.mappings);
}

void perf_backlog_free(struct perf_backlog *backlog)
{
	if (!backlog)
		return;
	for (size_t i = 0; i < backlog->count; i++)
		fini(&backlog->waiting[i]);
	free(backlog);
}

/* ---- One sample ---- */

/* What a walk says that could not be finished because the process was on its way out, or in. */
static enum walk_end explain(const struct perf_waiting *waiting, enum walk_end end)
{
	if (!waiting->stack.size && end != WALK_ROOT && waiting->sample->flags & SAMPLE_IN_KERNEL)
		return WALK_NO_MEMORY;
	return end;
}

static void walk(const struct perf_backlog *backlog, struct perf_waiting *waiting)
{
	int end;

	if (!waiting->has_mappings || waiting->is_walked)
		return;
	end = copied_walk_go_on(&waiting->walk, &waiting->stack, backlog->modules, waiting->sample);
	if (end == -EAGAIN)
		return;
	waiting->sample->walk_end = (uint16_t)explain(waiting, (enum walk_end)end);
	waiting->is_walked = 1;
}

static int is_ready(const struct perf_waiting *waiting)
{
	return waiting->is_walked && !waiting->sure_ns;
}

static void hand_on(const struct perf_backlog *backlog, const struct perf_waiting *waiting)
{
	struct record_sample *sample = waiting->sample;

	if (!waiting->is_walked)
		sample->walk_end = WALK_NO_TABLE;
	if (waiting->sure_ns)
		sample->owner_uid = sample->owner_gid = RECORD_NO_OWNER;
	backlog->on_done(backlog->context, sample);
}

/* ---- Those that wait ---- */

static void *copy(const void *data, size_t used, size_t size)
{
	void *result = memory_new(size ? size : 1);

	if (used)
		memcpy(result, data, used);
	return result;
}

static void copy_mappings(struct copied_stack *stack, const struct mapping *mappings, size_t count)
{
	size_t bytes = count * sizeof(*mappings);

	stack->mappings = copy(mappings, bytes, bytes);
	stack->mapping_count = count;
}

static void keep(struct perf_backlog *backlog, const struct perf_waiting *waiting)
{
	struct perf_waiting *kept = &backlog->waiting[backlog->count++];
	const struct record_sample *sample = waiting->sample;
	size_t frames = (size_t)sample->kernel_count + sample->user_count;

	*kept = *waiting;
	kept->sample = copy(sample, sizeof(*sample) + frames * sizeof(sample->frames[0]),
			    sizeof(*sample) + (RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES) *
						      sizeof(sample->frames[0]));
	kept->stack.bytes = NULL;
	kept->stack.mappings = NULL;
	kept->stack.mapping_count = 0;
	if (waiting->is_walked)
		return;
	kept->stack.bytes = copy(waiting->stack.bytes, waiting->stack.size, waiting->stack.size);
	if (waiting->has_mappings)
		copy_mappings(&kept->stack, waiting->stack.mappings, waiting->stack.mapping_count);
}

void perf_backlog_add(struct perf_backlog *backlog, struct perf_waiting *waiting)
{
	walk(backlog, waiting);
	if (is_ready(waiting) || backlog->count == PERF_BACKLOG_MAX)
		hand_on(backlog, waiting);
	else
		keep(backlog, waiting);
}

void perf_backlog_on_exec(struct perf_backlog *backlog, uint32_t pid, uint64_t time_ns)
{
	for (size_t i = 0; i < backlog->count; i++) {
		struct perf_waiting *waiting = &backlog->waiting[i];
		struct record_sample *sample = waiting->sample;

		if (sample->pid != pid || !waiting->sure_ns || time_ns > waiting->sure_ns)
			continue;
		/* The owner that was read is that of another program. */
		sample->owner_uid = sample->owner_gid = RECORD_NO_OWNER;
		waiting->sure_ns = 0;
	}
}

/* The mappings of the process have come, or never will. */
static void fetch_mappings(const struct perf_backlog *backlog, struct perf_waiting *waiting)
{
	const struct perf_process *process =
		perf_processes_find(backlog->processes, waiting->sample->pid);

	if (waiting->has_mappings || (process && process->state != PERF_MAPPINGS_KNOWN))
		return;
	waiting->has_mappings = 1;
	if (process)
		copy_mappings(&waiting->stack, process->mappings.mappings, process->mappings.count);
}

static void remove_at(struct perf_backlog *backlog, size_t i)
{
	fini(&backlog->waiting[i]);
	backlog->waiting[i] = backlog->waiting[--backlog->count];
}

void perf_backlog_continue(struct perf_backlog *backlog, uint64_t read_ns)
{
	for (size_t i = backlog->count; i-- > 0;) {
		struct perf_waiting *waiting = &backlog->waiting[i];

		if (waiting->sure_ns && waiting->sure_ns <= read_ns)
			waiting->sure_ns = 0;
		fetch_mappings(backlog, waiting);
		walk(backlog, waiting);
		if (!is_ready(waiting) &&
		    read_ns < waiting->sample->time_ns + PERF_BACKLOG_LIMIT_NS)
			continue;
		hand_on(backlog, waiting);
		remove_at(backlog, i);
	}
}

void perf_backlog_flush(struct perf_backlog *backlog)
{
	while (backlog->count) {
		hand_on(backlog, &backlog->waiting[backlog->count - 1]);
		remove_at(backlog, backlog->count - 1);
	}
}

size_t perf_backlog_count(const struct perf_backlog *backlog)
{
	return backlog->count;
}
