/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What perf events tell of processes: forks, programs that are run, names, mappings and ends. Keeps
 * perf_processes.h up to date, numbers the files that are mapped, and tells what the kernel programs
 * would tell of the processes that are profiled.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_TASKS_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_TASKS_H

#include <stdint.h>

#include "common/cleanup.h"

struct broker_client;
struct perf_backlog;
struct perf_process;
struct perf_processes;
struct perf_record;
struct perf_tasks;
struct profiled_set;
struct sampler_receiver;

/* All borrowed for the tasks' life. */
struct perf_tasks_setup {
	const struct sampler_receiver *receiver;
	struct broker_client *broker;
	struct perf_processes *processes;
	struct profiled_set *profiled;
	struct perf_backlog *backlog;
	uint64_t *counters; /* by enum kernel_counter */
};

/* Copies setup. Owned (perf_tasks_free). */
struct perf_tasks *perf_tasks_new(const struct perf_tasks_setup *setup);
void perf_tasks_free(struct perf_tasks *tasks);
DEFINE_CLEANUP(perf_tasks_free, struct perf_tasks)

/* Handle a record that is not a sample; boot time. */
void perf_tasks_on_record(struct perf_tasks *tasks, const struct perf_record *record,
			  uint64_t time_ns);

/* Ask for the mappings that a process has had since before it was met, unless that was done. */
void perf_tasks_ask_mappings(struct perf_tasks *tasks, struct perf_process *process);

/* Find out about a process, and have its files read, before it is sampled. */
void perf_tasks_prepare(struct perf_tasks *tasks, uint32_t pid, uint64_t start_time_ns);

#endif
