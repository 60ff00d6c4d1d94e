/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the core counts, by name. Together with the kernel programs' counters (bpf/record.h)
 * they are the ledger that `status` shows: samples taken = samples kept + each named loss.
 */
#ifndef FLAME_DAEMON_CORE_COUNTERS_H
#define FLAME_DAEMON_CORE_COUNTERS_H

#include <stdint.h>

/* Names under "lost" are samples that were taken and not kept. */
#define CORE_COUNTERS(X)                                                                         \
	X(KEPT, "samples.kept", "samples in the history, those that aged out included")          \
	X(SUMMED, "samples.summed", "sleeps and page faults that the kernel added up")           \
	X(MATCHED, "samples.matched", "pending samples that a name or glob selected")            \
	X(NOT_MATCHED, "samples.not_matched", "pending samples that nothing selected")           \
	X(LOST_LATE, "lost.late", "samples that came after their bucket had gone")               \
	X(LOST_MALFORMED, "lost.malformed", "records that were not whole")                       \
	X(HEAP_RECORDS, "heap.allocations", "allocations that were recorded or sampled")         \
	X(CODE_COMPARED, "probes.compared", "places whose code was compared after a probe left") \
	X(CODE_ALTERED, "probes.altered", "of these, places that are not as they were before")   \
	X(FORKS, "processes.forked", "children of followed processes")                           \
	X(EXECS, "processes.executed", "programs started by profiled processes")                 \
	X(EXITS, "processes.exited", "profiled processes that ended")                            \
	X(FETCHES_ASKED, "debuginfod.asked", "debug files that servers were asked for")          \
	X(FETCHES_FOUND, "debuginfod.found", "fetched debug files that gave names")              \
	X(FETCHES_MISSING, "debuginfod.missing", "debug files that no server has")               \
	X(FETCHES_FAILED, "debuginfod.failed", "fetches without answer, or a wrong one")         \
	X(FINISHED, "walk.finished", "stacks walked to their root when tables had come")

enum core_counter {
#define X(name, text, sentence) COUNTER_##name,
	CORE_COUNTERS(X)
#undef X
		COUNTER_COUNT
};

struct counters {
	uint64_t values[COUNTER_COUNT];
};

/* "samples.kept". */
const char *counter_name(enum core_counter counter);

/* The same for the kernel programs' counters, enum kernel_counter. */
const char *counter_kernel_name(unsigned int counter);

#endif
