/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The targets in force. Sampling is steered by them: the table turns them into the kernel programs'
 * sets and one rate. Answers select by them: a target is a selection over processes, so detaching
 * one takes nothing away from the recorded past.
 *
 * With several targets the kernel samples at the highest rate and keeps each process's share of it;
 * weights make up for that. A process may belong to several targets.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_TARGET_TABLE_H
#define FLAME_DAEMON_CORE_TARGETS_TARGET_TABLE_H

#include "daemon/core/targets/target.h"

struct broker_client;
struct cgroup_table;
struct process;
struct sampler;
struct target_table;
struct watch;

/* The collaborators are borrowed for the table's life. */
struct target_table *target_table_new(struct sampler *sampler, struct broker_client *broker,
				      struct cgroup_table *cgroups, struct watch *watch);
void target_table_free(struct target_table *table);
DEFINE_CLEANUP(target_table_free, struct target_table)

/* Have on_change called after every change; target is borrowed for the call. */
void target_table_watch(struct target_table *table,
			void (*on_change)(void *context, const struct target *target,
					  enum target_change change),
			void *context);

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

/*
 * Bring process->targets up to date: the numbers of the targets that it belongs to, all of which
 * are in the table.
 */
void target_table_select(struct target_table *table, struct process *process);

/*
 * Judge a pending sample by its process's name: what share of such samples to keep (of 2^32 - 1,
 * 0: not wanted). The kernel programs are told, so that they need not ask again.
 */
uint32_t target_table_judge(struct target_table *table, const struct record_sample *sample);

/* A followed process forked, runs another program or is gone. */
void target_table_on_process(struct target_table *table, const struct record_process *record);

/*
 * Notice the exits that target_table_on_process() was told of. Not while records are being read:
 * whoever waits for a target learns of it here.
 */
void target_table_settle(struct target_table *table);

/*
 * Once a second: detach what is due, notice exits, forget exited targets whose data is older than
 * oldest_ns, and have the broker look for CPUs that came or went.
 */
void target_table_tick(struct target_table *table, uint64_t now_ns, uint64_t oldest_ns);

/*
 * Move rates so that each target stays in its budget (governor.h), given what handling a sample
 * costs the core. A budget of 0 percent is none.
 */
void target_table_govern(struct target_table *table, double core_ns_per_sample);

/* The rate of the kernel's events now, 0: nothing is sampled. */
uint32_t target_table_rate_hz(const struct target_table *table);

#endif
