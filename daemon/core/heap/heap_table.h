/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes whose heap is watched, by slot and by pid: at most HEAP_MAX_SLOTS at a time. Those
 * that ended stay, without a slot, as long as their target does, for what they held last.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_TABLE_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_TABLE_H

#include "daemon/core/heap/heap_calibration.h"
#include "daemon/core/heap/heap_process.h"

struct cgroup_table;
struct heap_table;
struct target_table;

#define HEAP_TABLE_MAX_ENDED 64

/* What is to be watched, for a target that is attached already. */
struct heap_subject {
	uint32_t target;
	uint32_t pid;
	uint64_t start_time_ns;
	double budget_percent;
};

/* Children of a process that ended before their heap was watched. Times: boot. */
struct heap_missed {
	uint32_t count;
	uint64_t first_ns;
	uint64_t last_ns;
};

/* sources is copied; what it points to, and the tables, are borrowed for the table's life. */
struct heap_table *heap_table_new(const struct heap_sources *sources, struct target_table *targets,
				  struct cgroup_table *cgroups);
void heap_table_free(struct heap_table *table);
DEFINE_CLEANUP(heap_table_free, struct heap_table)

/*
 * Watch a process; done is called once, with what heap_process_new() says, before or after the
 * return. One that is watched already gets the new settings. Errors: -E2BIG there is no slot,
 * -ESRCH the process is gone, -EPERM it is no process of the target's owner any more.
 */
must_check int heap_table_add(struct heap_table *table, const struct heap_subject *subject,
			      void (*done)(void *context, int error), void *context);

/*
 * Watch the living descendants of a process, too, as those that it forks later will be. Returns of
 * how many nothing is recorded since there is no slot left.
 */
uint32_t heap_table_add_family(struct heap_table *table, const struct heap_subject *subject);

/* Targets were detached, stopped or started: follow them. */
void heap_table_sync(struct heap_table *table);

/* The process of a record, NULL: it is watched no more. Borrowed. */
struct heap_process *heap_table_by_slot(struct heap_table *table, uint32_t slot);

/* A process forked, runs another program or is gone; followed when its last records were taken. */
void heap_table_on_process(struct heap_table *table, const struct record_process *record);
void heap_table_on_drained(struct heap_table *table);

/* Once a second. */
void heap_table_tick(struct heap_table *table, uint64_t now_ns);

/* Process i of count. Borrowed (until the next change). */
uint32_t heap_table_count(const struct heap_table *table);
struct heap_process *heap_table_at(const struct heap_table *table, uint32_t i);

/* Find the newest of a pid that started then; NULL: it was never watched. Borrowed. */
struct heap_process *heap_table_find(const struct heap_table *table, uint32_t pid,
				     uint64_t start_time_ns);

/* What is missing of the newest of a pid that started then: children that did not live long. */
struct heap_missed heap_table_missed(const struct heap_table *table, uint32_t pid,
				     uint64_t start_time_ns);

/* What probes cost. Borrowed. */
const struct heap_calibration *heap_table_calibration(const struct heap_table *table);

/* Whether anything is watched now. */
int heap_table_is_active(const struct heap_table *table);

#endif
