/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process whose heap is watched: its allocator is found, a prober probes it, and what comes back
 * goes into the history and, as long as every allocation and free is recorded, into the list of what
 * is held. There are three tiers:
 *
 *	full	every allocation and free is recorded: the heap is known exactly
 *	partial	the same, but what C++ operators that may throw return is not seen, which takes
 *		instructions that are dear to probe: their blocks are counted, and not in the list
 *	duty	there are too many for the budget: probes are on for short windows at random times,
 *		what was allocated is estimated from those, what is held is not known
 *
 * It starts full. A budget that is exceeded ends that at once; more is tried again when what is seen
 * says that it would fit.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_PROCESS_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_PROCESS_H

#include <stdint.h>

#include "bpf/heap_record.h"
#include "daemon/core/heap/heap_evidence.h"
#include "daemon/core/heap/heap_ledger.h"
#include "daemon/core/heap/heap_sources.h"
#include "daemon/core/heap/heap_tier.h"
#include "daemon/core/heap/live_heap.h"

struct heap_process;

/* What the process is known by: goes into each of its samples. */
struct heap_identity {
	uint64_t start_time_ns;
	uint64_t cgroup_id;
	uint32_t pid;
	uint32_t parent_pid;
	uint32_t target;
	uint32_t owner_uid; /* RECORD_NO_OWNER: only for the privileged */
	uint32_t owner_gid;
	char name[RECORD_NAME_BYTES];
};

/* A process to watch. */
struct heap_request {
	struct heap_identity identity;
	uint32_t slot;
	double budget_percent;
};

/*
 * A process that is to be watched from heap_process_begin() on. done is called once with 0 when the
 * probes are in, or with why they are not: -ENOENT no allocator was found, -ESRCH the process is
 * gone. sources is borrowed.
 */
struct heap_process *heap_process_new(const struct heap_sources *sources,
				      const struct heap_request *request,
				      void (*done)(void *context, int error), void *context);
void heap_process_begin(struct heap_process *process);
void heap_process_free(struct heap_process *process);

/*
 * Nobody wants it any more: remove the probes, compare the code, and call left once, for the process
 * to be freed. Returns 0 when there are no probes: it may be freed at once, left is not called.
 */
must_check int heap_process_leave(struct heap_process *process, void (*left)(void *context),
				  void *context);

/* One record. thread and stack, of an allocation, are borrowed. */
void heap_process_on_record(struct heap_process *process, const struct record_heap *record,
			    uint32_t thread, uint32_t stack, uint64_t size);

/* Once a second: look at what is held, and at what it costs. */
void heap_process_tick(struct heap_process *process, uint64_t now_ns);

/* Pause or resume. */
void heap_process_pause(struct heap_process *process, int is_paused);

/* A child was forked, which has inherited the probes: remove them from it soon. */
void heap_process_forked(struct heap_process *process);

/* The process is gone: what it held stays as it was. */
void heap_process_end(struct heap_process *process);

/* What is told of it. */
const struct heap_identity *heap_process_identity(const struct heap_process *process);
enum heap_tier heap_process_tier(const struct heap_process *process);
/* Whether what it holds, or held when it was stopped or ended, is known: not from windows. */
int heap_process_is_known(const struct heap_process *process);
const struct live_heap *heap_process_live(const struct heap_process *process);
const struct heap_evidence *heap_process_evidence(const struct heap_process *process);
uint32_t heap_process_changes(const struct heap_process *process,
			      const struct heap_change **changes);

/* What it has cost and estimated so far, and when. Borrowed. */
const struct heap_ledger *heap_process_ledger(const struct heap_process *process);
double heap_process_budget_percent(const struct heap_process *process);

/* Records that were lost so far. */
uint64_t heap_process_lost(const struct heap_process *process);

#endif
