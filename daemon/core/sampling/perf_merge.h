/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf rings of all CPUs as one sequence of records in the order of their time, so that a mapping
 * that was made on one CPU is known when the process is sampled on another.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_MERGE_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_MERGE_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/broker/perf_layout.h"
#include "daemon/core/sampling/perf_record.h"

struct perf_merge;

/* A record, and the ring that it was in. */
struct perf_merged {
	struct perf_record record;
	enum perf_ring_kind kind;
	uint32_t cpu;
};

/* For cpu_count CPUs, whose samples consist of fields (sample_type of the event). */
struct perf_merge *perf_merge_new(uint32_t cpu_count, uint64_t fields);
void perf_merge_free(struct perf_merge *merge);
DEFINE_CLEANUP(perf_merge_free, struct perf_merge)

/* Map the rings of a CPU, in the place of earlier ones. Takes fds. Errors: as mmap(2). */
must_check int perf_merge_add(struct perf_merge *merge, uint32_t cpu,
			      const int fds[PERF_RING_COUNT]);

/* See what the kernel has written until now. */
void perf_merge_look(struct perf_merge *merge);

/*
 * Find the next record that is not later than until_ns (PERF_CLOCK); NULL: there is none. Borrowed
 * (until the next call), its bytes until perf_merge_release().
 */
const struct perf_merged *perf_merge_next(struct perf_merge *merge, uint64_t until_ns);

/* Give all records back that perf_merge_next() gave. */
void perf_merge_release(struct perf_merge *merge);

/* Forget whatever is in the rings. */
void perf_merge_discard(struct perf_merge *merge);

/* Records that contradicted themselves, ever. */
uint64_t perf_merge_malformed(const struct perf_merge *merge);

#endif
