/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target: what was asked to be profiled, and how users write it. A value; those in force are in
 * the target table (target_table.h).
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_TARGET_H
#define FLAME_DAEMON_CORE_TARGETS_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/core/history/bucket_ring.h"

#define TARGET_MAX          1024
#define TARGET_RATE_DEFAULT 99
#define TARGET_RATE_MAX     4999
#define TARGET_RATE_WARNING 1000
#define TARGET_PRIVILEGED   UINT32_MAX /* attached by somebody who may do everything */

enum target_kind { TARGET_PID, TARGET_NAME, TARGET_CGROUP, TARGET_ALL };
enum target_state { TARGET_RUNNING, TARGET_STOPPED, TARGET_EXITED };
enum target_change {
	TARGET_ATTACHED,
	TARGET_DETACHED,
	TARGET_CHANGED_STOPPED,
	TARGET_CHANGED_STARTED,
	TARGET_CHANGED_EXITED,
};

/* What users write: "1234", "comm:GLOB", "cgroup:PATH", "all". */
struct target_selector {
	enum target_kind kind;
	uint32_t pid;
	const char *pattern; /* glob or path; borrowed from the text */
};

/* What a target has given and cost so far. */
struct target_usage {
	uint64_t samples; /* of CPU time */
	uint64_t weight_ns;
	uint64_t cost_ns;
};

/* What looks told of threads: what watching them costs follows from it. */
struct watched {
	uint64_t looks; /* at threads */
	uint64_t cpu_ns;
	uint64_t hits; /* switches and page faults, whether or not the hooks were attached */
	uint64_t walks;
};

struct target {
	uint32_t number; /* from 1, never used twice */
	enum target_kind kind;
	enum target_state state;
	uint32_t pid;
	uint64_t start_time_ns; /* of pid, in ticks */
	char *pattern;          /* glob or canonical path; "" for others */
	char *name;             /* for lists: process name, pattern */
	uint64_t cgroup_id;
	uint32_t events;   /* bit for each enum record_event */
	uint32_t asked_hz; /* rate that was asked for */
	uint32_t rate_hz;  /* rate in force: the governor may lower it */
	double budget_percent;
	int follows_children;
	uint32_t within;    /* number of the target that followed this pid before; 0: none */
	uint32_t owner_uid; /* who attached it, or TARGET_PRIVILEGED */
	uint32_t owner_gid;
	uint64_t attached_ns; /* boot time */
	uint64_t deadline_ns; /* boot time at which it detaches by itself; 0: never */
	uint64_t exited_ns;
	uint64_t lost_before; /* losses of the daemon when it was attached */
	uint64_t samples;
	uint64_t weight_ns;
	uint64_t cost_ns;
	uint64_t cpu_samples;  /* of samples, those of CPU time */
	struct cost watched;   /* what watching its sleeps and page faults cost */
	struct watched recent; /* what its threads gave since that was charged last */
	uint64_t heap_cost_ns; /* of watching its heaps, and what that is a share of */
	uint64_t heap_base_ns;
	struct target_usage governed; /* when the governor looked last */
};

/* What to attach. Units in the names; rate_hz within 1..TARGET_RATE_MAX. */
struct target_request {
	struct target_selector selector;
	uint64_t start_time_ns; /* TARGET_PID */
	const char *name;       /* TARGET_PID: the process's name */
	uint32_t events;
	uint32_t rate_hz;
	double budget_percent;
	int follows_children;
	uint64_t for_ns; /* 0: until detached */
	uint32_t owner_uid;
	uint32_t owner_gid;
};

/* Parse what users write. Errors: -EINVAL. */
must_check int target_selector_parse(const char *text, struct target_selector *selector);

/* The events that can be attached, as users write them ("cpu"), up to NULL; and what they mean. */
extern const char *const target_event_names[];

/* Parse the name of an event into its bit. Errors: -EINVAL. */
must_check int target_event_parse(const char *name, uint32_t *event);

/* "pid", "running", "attached": as the protocol has them. */
const char *target_kind_name(enum target_kind kind);
const char *target_state_name(enum target_state state);
const char *target_change_name(enum target_change change);

/* The target as users write it: "1234", "comm:GLOB". Owned (free). */
char *target_describe(const struct target *target);

#endif
