/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples of perf events that cannot go on yet: the mappings of their process are on their way, a
 * module is being read, or it is not sure yet whose they are. Each waits here with its piece of
 * stack, not longer than PERF_BACKLOG_LIMIT_NS; what finds no room goes on as it is.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_BACKLOG_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_BACKLOG_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "daemon/core/unwinding/copied_stack.h"

#define PERF_BACKLOG_MAX      1024 /* of about 20 KiB each */
#define PERF_BACKLOG_LIMIT_NS UINT64_C(3000000000)

struct module_table;
struct perf_backlog;
struct perf_processes;

/* A sample on its way; borrowed by the functions below, which copy it. */
struct perf_waiting {
	struct record_sample *sample; /* has room for every frame; user_count 0 at first */
	struct copied_stack stack;
	struct copied_walk walk;
	int has_mappings; /* 0: stack.mappings is yet to come */
	int is_walked;    /* walk_end is what it will be */
	/* The owner is the sample's when all up to then was read without finding another program. */
	uint64_t sure_ns; /* boot time; 0: sure */
};

/* on_done is given each sample that is ready. All are borrowed for the backlog's life. */
struct perf_backlog *
perf_backlog_new(const struct module_table *modules, struct perf_processes *processes,
		 void (*on_done)(void *context, const struct record_sample *sample), void *context);

/* Drops the samples that wait. */
void perf_backlog_free(struct perf_backlog *backlog);
DEFINE_CLEANUP(perf_backlog_free, struct perf_backlog)

/* Hand a sample on, now if it can be. */
void perf_backlog_add(struct perf_backlog *backlog, struct perf_waiting *waiting);

/* Process pid ran another program at time_ns: what waits to be sure has its answer. */
void perf_backlog_on_exec(struct perf_backlog *backlog, uint32_t pid, uint64_t time_ns);

/* Go on with all that can: everything that happened until read_ns was read. Units: boot time. */
void perf_backlog_continue(struct perf_backlog *backlog, uint64_t read_ns);

/* Hand on all, as they are. */
void perf_backlog_flush(struct perf_backlog *backlog);

/* How many wait. */
size_t perf_backlog_count(const struct perf_backlog *backlog);

#endif
