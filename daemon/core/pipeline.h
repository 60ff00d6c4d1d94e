/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the stages that a record of the kernel goes through: judge, stack, thread, bucket.
 * The only file that knows it. The stages know their input and output, never each other.
 */
#ifndef FLAME_DAEMON_CORE_PIPELINE_H
#define FLAME_DAEMON_CORE_PIPELINE_H

#include <stdint.h>

#include "daemon/core/counters.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/charges.h"

struct cgroup_table;
struct heap_table;
struct jit_maps;
struct late_walks;
struct mapping_tables;
struct module_table;
struct sum_table;
struct target_table;
struct waker_names;

/* Borrowed collaborators; set up once by the core, before the first record. */
struct pipeline {
	struct sampler *sampler;
	struct stack_table *stacks;
	struct process_table *processes;
	struct bucket_ring *history;
	struct module_table *modules;          /* see pipeline_set_modules() */
	struct late_walks *late_walks;         /* Owned */
	struct mapping_tables *mapping_tables; /* NULL: the kernel programs do without */
	struct jit_maps *jit_maps;
	struct cgroup_table *cgroups;
	struct target_table *targets;
	struct sum_table *sums;
	struct waker_names *waker_names;
	struct heap_table *heaps;
	struct counters counters;
	struct charges charges;
	uint64_t looked_cpu_ns; /* CPU time that the looks told of */
	uint64_t looked_ns;     /* when the threads were looked at last. Boot time */
	uint64_t ring_lost;     /* losses of the ring buffer that are in the buckets already */
};

/* Every sample that was taken: kept, or lost for a named reason. */
struct pipeline_ledger {
	uint64_t taken;
	uint64_t kept;
	uint64_t ring_full;
	uint64_t throttled;
	uint64_t late;
	uint64_t malformed;
	uint64_t sums_full; /* sleeps and faults whose stack found no room */
	uint64_t in_flight; /* in the ring buffer at the moment of counting */
};

/* The modules that frames point into (borrowed), whose tables walks may have to wait for. */
void pipeline_set_modules(struct pipeline *pipeline, struct module_table *modules);
void pipeline_fini(struct pipeline *pipeline);

/* The receiver of the sampler's records; its context is a struct pipeline. */
struct sampler_receiver pipeline_receiver(struct pipeline *pipeline);

/*
 * Look at all threads and put what the kernel programs have added up since the last look into the
 * history. Returns the CPU time that those who are watched used since then, in ns.
 */
uint64_t pipeline_look(struct pipeline *pipeline);

/* Empty the ring buffer and count: taken = kept + all the others, to the sample. */
void pipeline_read_ledger(struct pipeline *pipeline, struct pipeline_ledger *ledger);

/* What handling a record (a sample, a stack) costs the core: CPU time, ns. */
double pipeline_ns_per_record(const struct pipeline *pipeline);

/* Samples lost so far, whatever the reason. */
uint64_t pipeline_lost(const struct pipeline *pipeline);

#endif
