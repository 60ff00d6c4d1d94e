/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question about the past: which processes, which event, which window of time. Answering it adds
 * up the rows of the buckets in the window, has the symbolizer name the frames and makes one
 * profile of it. Nothing is copied out of the history but the sums, and sampling goes on meanwhile.
 */
#ifndef FLAME_DAEMON_CORE_QUESTION_H
#define FLAME_DAEMON_CORE_QUESTION_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/core/bucket_ring.h"
#include "daemon/core/target.h"

#define QUESTION_MAX_SELECTORS 64

struct question {
	const struct target_selector *selectors; /* borrowed for the call; none: everything */
	uint32_t selector_count;
	uint32_t event;   /* enum record_event */
	uint32_t tid;     /* 0: every thread */
	uint64_t from_ns; /* boot time */
	uint64_t to_ns;
	bool kernel_frames;
	bool user_frames;
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

struct profile;
struct question_answer;

/*
 * Takes profile: NULL when the window holds nothing, and cause is then a sentence that says why
 * (borrowed for the call).
 */
typedef void question_done(void *context, struct profile *profile, const char *cause);

/*
 * Answer question; done is called once, before or after the return. Returns NULL when it was called
 * already, else what question_cancel() takes.
 */
struct question_answer *question_ask(const struct question_sources *sources,
				     const struct question *question, question_done *done,
				     void *context);

/* Give up; done is not called any more. */
void question_cancel(struct question_answer *answer);

#endif
