/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_tasks.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "daemon/core/sampling/perf_backlog.h"
#include "daemon/core/sampling/perf_processes.h"
#include "daemon/core/sampling/perf_record.h"
#include "daemon/core/sampling/profiled_set.h"
#include "daemon/core/sampling/receiver.h"
#include "daemon/core/unwinding/file_numbers.h"
#include "daemon/core/unwinding/mapping_tables.h"
#include "daemon/core/workers/broker_client.h"

struct perf_tasks {
	struct perf_tasks_setup setup;
	struct file_numbers *numbers;
};

struct perf_tasks *perf_tasks_new(const struct perf_tasks_setup *setup)
{
	struct perf_tasks *tasks = memory_new(sizeof(*tasks));

	tasks->setup = *setup;
	tasks->numbers = file_numbers_new();
	return tasks;
}

void perf_tasks_free(struct perf_tasks *tasks)
{
	if (!tasks)
		return;
	file_numbers_free(tasks->numbers);
	free(tasks);
}

/* ---- Modules and mappings ---- */

/* Tell of a file that samples may refer to by its number. */
static void announce(const struct perf_tasks *tasks, const struct perf_process *process,
		     const struct perf_mapping *mapping, uint32_t number)
{
	struct record_module record = {
		.header = {.type = RECORD_MODULE, .size = sizeof(record)},
		.key = {.inode = mapping->inode, .device = mapping->device},
		.start_time_ns = process->start_time_ns,
		.start = mapping->start,
		.end = mapping->end,
		.file_offset = mapping->file_offset,
		.pid = process->pid,
		.module = number,
	};

	if (mapping->path_length <= RECORD_PATH_BYTES) {
		record.path_length = mapping->path_length;
		memcpy(record.path, mapping->path, mapping->path_length);
	}
	tasks->setup.receiver->on_module(tasks->setup.receiver->context, &record);
}

static int is_vdso(const struct perf_mapping *mapping)
{
	static const char name[] = "[vdso]";

	return mapping->path_length == strlen(name) &&
	       memcmp(mapping->path, name, strlen(name)) == 0;
}

static uint32_t find_module(struct perf_tasks *tasks, const struct perf_process *process,
			    const struct perf_mapping *mapping)
{
	struct file_identity identity = {mapping->inode, mapping->generation, mapping->device};
	uint32_t number;
	int is_new;

	if (!mapping->inode)
		return is_vdso(mapping) ? MODULE_VDSO : MODULE_NONE;
	number = file_numbers_get(tasks->numbers, &identity, &is_new);
	if (number == MODULE_NONE)
		tasks->setup.counters[KERNEL_COUNTER_MODULES_FULL]++;
	if (is_new)
		announce(tasks, process, mapping, number);
	return number;
}

static void add_mapping(struct perf_tasks *tasks, const struct perf_process *process,
			struct mapping_list *list, const struct perf_mapping *mapping)
{
	uint32_t module = find_module(tasks, process, mapping);
	struct mapping added = {
		.start = mapping->start,
		.end = mapping->end,
		.offset = module == MODULE_NONE   ? mapping->start
			  : module == MODULE_VDSO ? 0
						  : mapping->file_offset,
		.module = module,
	};

	mapping_list_add(list, &added);
}

/* A request for /proc/PID/maps. */
struct question {
	struct perf_tasks *tasks;
	uint32_t pid;
	uint64_t exec_ns; /* of the process when it was asked */
};

/* What was there before goes below what was mapped since. */
static void take_maps(struct perf_tasks *tasks, struct perf_process *process, const char *text,
		      size_t length)
{
	struct mapping_list all = {0};
	struct maps_line line;
	size_t at = 0;

	while (all.count < MAPPING_LIST_MAX && maps_line_next(text, length, &at, &line)) {
		struct perf_mapping mapping = {
			.start = line.start,
			.end = line.end,
			.file_offset = line.offset,
			.inode = line.inode,
			.device = line.device,
			.path = line.path,
			.path_length = line.path_length,
		};

		add_mapping(tasks, process, &all, &mapping);
	}
	for (size_t i = 0; i < process->mappings.count; i++)
		mapping_list_add(&all, &process->mappings.mappings[i]);
	mapping_list_fini(&process->mappings);
	process->mappings = all;
}

static void on_maps_opened(void *context, int error, const int *fds, size_t fd_count)
{
	_cleanup_free_ struct question *question = context;
	struct perf_tasks *tasks = question->tasks;
	struct perf_process *process;
	size_t length;

	if (error == -ECANCELED)
		return;

	_cleanup_close_ int fd = fd_count == 1 ? fds[0] : -1;

	process = perf_processes_find(tasks->setup.processes, question->pid);
	if (!process || process->state != PERF_MAPPINGS_ASKED ||
	    process->exec_ns != question->exec_ns)
		return;
	if (fd >= 0) {
		_cleanup_free_ char *text = maps_read(fd, &length);

		take_maps(tasks, process, text, length);
	}
	/* If they cannot be had they are what they are. */
	process->state = PERF_MAPPINGS_KNOWN;
}

void perf_tasks_ask_mappings(struct perf_tasks *tasks, struct perf_process *process)
{
	struct broker_request request = {
		.type = BROKER_OPEN_PROC,
		.pid = process->pid,
		.value = BROKER_PROC_MAPS,
	};
	struct question *question;

	if (process->state != PERF_MAPPINGS_UNREAD)
		return;
	process->state = PERF_MAPPINGS_ASKED;
	question = memory_new(sizeof(*question));
	*question = (struct question){tasks, process->pid, process->exec_ns};
	broker_client_send(tasks->setup.broker, &request, on_maps_opened, question);
}

/* ---- Processes ---- */

/* Meet a process, or one that is gone already. */
static struct perf_process *meet_or_add(struct perf_tasks *tasks, uint32_t pid, uint64_t time_ns)
{
	struct perf_process *process = perf_processes_meet(tasks->setup.processes, pid);

	if (process)
		return process;
	process = perf_processes_add(tasks->setup.processes, pid);
	process->start_time_ns = time_ns;
	return process;
}

/* Tell of a profiled process what the kernel programs tell. */
static void tell(const struct perf_tasks *tasks, uint32_t type, const struct perf_process *process,
		 const struct profiled *profiled, uint64_t time_ns)
{
	struct record_process record = {
		.header = {.type = type, .size = sizeof(record)},
		.time_ns = time_ns,
		.start_time_ns = process->start_time_ns,
		.cgroup_id = process->cgroup_id,
		.pid = process->pid,
		.parent_pid = process->parent_pid,
		.target = profiled->target,
		.owner_uid = process->owner_uid,
		.owner_gid = process->owner_gid,
	};

	memcpy(record.process_name, process->name, sizeof(record.process_name));
	tasks->setup.receiver->on_process(tasks->setup.receiver->context, &record);
}

static void on_fork(struct perf_tasks *tasks, const struct perf_record *record, uint64_t time_ns)
{
	uint32_t parent_pid = record->task.parent_pid;
	struct perf_process *parent, *child;
	struct profiled profiled;
	int is_followed;

	if (record->pid == parent_pid)
		return; /* a thread */
	is_followed = profiled_set_follows(tasks->setup.profiled, parent_pid, &profiled) &&
		      profiled.flags & PROFILED_FOLLOW;
	if (!is_followed && !profiled_set_is_open(tasks->setup.profiled))
		return;
	parent = perf_processes_meet(tasks->setup.processes, parent_pid);
	if (parent) {
		/* Who forks once will fork again, and its children live shortly. */
		perf_tasks_ask_mappings(tasks, parent);
		child = perf_processes_fork(tasks->setup.processes, parent, record->pid, time_ns);
	} else {
		child = perf_processes_add(tasks->setup.processes, record->pid);
		child->parent_pid = parent_pid;
		child->start_time_ns = time_ns;
	}
	if (!is_followed)
		return;
	profiled.start_time_ns = time_ns;
	profiled.flags &= ~(uint32_t)PROFILED_EXITED;
	if (profiled_set_add_process(tasks->setup.profiled, record->pid, &profiled))
		tasks->setup.counters[KERNEL_COUNTER_PROCESSES_FULL]++;
	else
		tell(tasks, RECORD_FORK, child, &profiled, time_ns);
}

static void on_exec(struct perf_tasks *tasks, const struct perf_record *record, uint64_t time_ns)
{
	struct perf_process *process = perf_processes_find(tasks->setup.processes, record->pid);
	struct profiled profiled;
	int is_profiled = profiled_set_follows(tasks->setup.profiled, record->pid, &profiled);

	if (!process && (is_profiled || profiled_set_is_open(tasks->setup.profiled)))
		process = meet_or_add(tasks, record->pid, time_ns);
	perf_backlog_on_exec(tasks->setup.backlog, record->pid, time_ns);
	if (!process)
		return;
	perf_process_exec(process, time_ns);
	perf_process_rename(process, process->pid, record->name.text, record->name.length);
	if (!is_profiled)
		return;
	perf_process_read_owner(process, clock_boot_ns());
	tell(tasks, RECORD_EXEC, process, &profiled, time_ns);
}

static void on_name(struct perf_tasks *tasks, const struct perf_record *record, uint64_t time_ns)
{
	struct perf_process *process;

	if (record->name.is_exec) {
		on_exec(tasks, record, time_ns);
		return;
	}
	process = perf_processes_find(tasks->setup.processes, record->pid);
	if (process)
		perf_process_rename(process, record->tid, record->name.text, record->name.length);
}

static void on_mapping(struct perf_tasks *tasks, const struct perf_record *record)
{
	struct perf_process *process = perf_processes_find(tasks->setup.processes, record->pid);

	if (process)
		add_mapping(tasks, process, &process->mappings, &record->mapping);
}

static void on_end(struct perf_tasks *tasks, const struct perf_record *record, uint64_t time_ns)
{
	struct perf_process *process = perf_processes_find(tasks->setup.processes, record->pid);
	struct profiled profiled;

	if (!process || !perf_process_exit(process, record->tid))
		return;
	if (profiled_set_follows(tasks->setup.profiled, record->pid, &profiled)) {
		profiled_set_remove_process(tasks->setup.profiled, record->pid);
		tell(tasks, RECORD_EXIT, process, &profiled, time_ns);
	}
	perf_processes_end(tasks->setup.processes, record->pid);
}

void perf_tasks_on_record(struct perf_tasks *tasks, const struct perf_record *record,
			  uint64_t time_ns)
{
	switch (record->type) {
	case PERF_RECORD_MMAP2:
		on_mapping(tasks, record);
		break;
	case PERF_RECORD_COMM:
		on_name(tasks, record, time_ns);
		break;
	case PERF_RECORD_FORK:
		on_fork(tasks, record, time_ns);
		break;
	case PERF_RECORD_EXIT:
		on_end(tasks, record, time_ns);
		break;
	default:
		break;
	}
}

void perf_tasks_prepare(struct perf_tasks *tasks, uint32_t pid, uint64_t start_time_ns)
{
	struct perf_process *process = perf_processes_meet(tasks->setup.processes, pid);

	if (!process)
		return;
	/* A fork is told of a moment after it happened. */
	process->start_time_ns = start_time_ns;
	perf_process_read_owner(process, clock_boot_ns());
	perf_tasks_ask_mappings(tasks, process);
}
