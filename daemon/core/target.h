/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: what was asked to be profiled. Sampling is steered by them (target_table_apply() turns
 * them into the kernel programs' sets and one rate), and answers select by them: a target is a
 * selection over processes, so detaching one takes nothing away from the recorded past.
 *
 * With several targets the kernel samples at the highest rate and keeps each process's share of it;
 * weights make up for that. A process may belong to several targets.
 */
#ifndef FLAME_DAEMON_CORE_TARGET_H
#define FLAME_DAEMON_CORE_TARGET_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"

#define TARGET_MAX           1024
#define TARGET_PATTERN_BYTES 4096
#define TARGET_RATE_DEFAULT  99
#define TARGET_RATE_MAX      4999
#define TARGET_RATE_WARNING  1000
#define TARGET_PRIVILEGED    UINT32_MAX /* attached by somebody who may do everything */

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

struct target {
	uint32_t number; /* from 1, never used twice */
	enum target_kind kind;
	enum target_state state;
	uint32_t pid;
	uint64_t start_time_ns; /* of pid, in ticks */
	char *pattern;          /* glob or canonical path; "" for others */
	char *name;             /* for lists: process name, pattern */
	uint64_t cgroup_id;
	uint32_t events; /* bit for each enum record_event */
	uint32_t rate_hz;
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

struct broker_client;
struct cgroup_table;
struct process;
struct sampler;
struct target_table;

/* The collaborators are borrowed for the table's life. */
struct target_table *target_table_new(struct sampler *sampler, struct broker_client *broker,
				      struct cgroup_table *cgroups);
void target_table_free(struct target_table *table);
DEFINE_CLEANUP(target_table_free, struct target_table)

/* Have on_change called after every change; target is borrowed for the call. */
void target_table_watch(struct target_table *table,
			void (*on_change)(void *context, const struct target *target,
					  enum target_change change),
			void *context);

/* Parse what users write. Errors: -EINVAL. */
must_check int target_selector_parse(const char *text, struct target_selector *selector);

/*
 * Attach, or change the settings of the same target attached before (*is_new is 0 then). Errors:
 * -ENOENT no such cgroup, -ENOTSUP no cgroup hierarchy, -E2BIG too many targets or processes.
 */
must_check int target_table_attach(struct target_table *table, const struct target_request *request,
				   struct target **target, int *is_new);

/* Forget target; what was recorded stays. */
void target_table_detach(struct target_table *table, struct target *target);

/* Pause (or resume) sampling of target. */
void target_table_pause(struct target_table *table, struct target *target, int is_paused);

/* Call done once the kernel samples as the table says, at once when it does already. */
void target_table_when_applied(struct target_table *table, void (*done)(void *context),
			       void *context);

/* Find the target that selector names; NULL when there is none. Borrowed. */
struct target *target_table_find(struct target_table *table,
				 const struct target_selector *selector);
struct target *target_table_by_number(struct target_table *table, uint32_t number);

/* Target i of count, in the order of attaching. Borrowed (until the next change). */
uint32_t target_table_count(const struct target_table *table);
struct target *target_table_at(struct target_table *table, uint32_t i);

/* Bring process->targets up to date: the numbers of the targets that it belongs to. */
void target_table_select(struct target_table *table, struct process *process);

/*
 * Judge a pending sample by its process's name: what share of such samples to keep (of 2^32 - 1,
 * 0: not wanted). The kernel programs are told, so that they need not ask again.
 */
uint32_t target_table_judge(struct target_table *table, const struct record_sample *sample);

/* A followed process forked, runs another program or is gone. */
void target_table_on_process(struct target_table *table, const struct record_process *record);

/*
 * Once a second: detach what is due, notice exits, forget exited targets whose data is older than
 * oldest_ns, and have the broker look for CPUs that came or went.
 */
void target_table_tick(struct target_table *table, uint64_t now_ns, uint64_t oldest_ns);

/* The rate of the kernel's events now, 0: nothing is sampled. */
uint32_t target_table_rate_hz(const struct target_table *table);

/* "pid", "running", "attached": as the protocol has them. */
const char *target_kind_name(enum target_kind kind);
const char *target_state_name(enum target_state state);
const char *target_change_name(enum target_change change);

/* The target as users write it: "1234", "comm:GLOB". Owned (free). */
char *target_describe(const struct target *target);

#endif
