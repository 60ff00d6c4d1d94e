/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about the past: which processes, which event, which window of time, and what it is
 * answered from (answer.h).
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_QUESTION_H
#define FLAME_DAEMON_CORE_PROTOCOL_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/protocol/measure.h"
#include "daemon/core/targets/target.h"

struct question {
	const struct target_selector *selectors; /* borrowed for the call; none: everything */
	uint32_t selector_count;
	const struct measure *measure;
	uint32_t tid;     /* 0: every thread */
	uint64_t from_ns; /* boot time */
	uint64_t to_ns;
	bool kernel_frames;
	bool user_frames;
	uint32_t want;      /* enum symbolizer_want */
	bool idle;          /* threads that slept throughout too */
	bool waker;         /* who ended a sleep, above its stack, where that was recorded */
	bool slices;        /* tell the weights bucket by bucket too */
	uint32_t owner_uid; /* only processes of this owner; TARGET_PRIVILEGED: all */
	uint32_t owner_gid;
};

/* What the answer is made from; all borrowed, none may go while a question is being answered. */
struct question_sources {
	struct bucket_ring *history;
	struct stack_table *stacks;
	struct process_table *processes;
	struct target_table *targets;
	struct cgroup_table *cgroups;
	struct symbolizer *symbolizer;
};

#endif
