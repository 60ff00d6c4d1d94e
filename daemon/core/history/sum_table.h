/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel programs add up (bpf/sums.h), turned into rows of the history: each stack that
 * was announced has an entry here, which knows its thread, its stacks and how much of its sums is
 * in the history already. Entries that were not used for long are dropped, here and in the kernel.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_SUM_TABLE_H
#define FLAME_DAEMON_CORE_HISTORY_SUM_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/sums.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/memory.h"

#define SUM_TABLE_IDLE_NS (60 * NS_PER_SECOND)
#define SUM_TABLE_ENDED_NS \
	NS_PER_SECOND /* what a thread does in its exit still finds its entries */

struct bucket_ring;
struct process_table;
struct stack_table;
struct sum_table;

/* A stack as it was announced; the table takes the references in it. */
struct sum_stack {
	uint64_t id;
	uint32_t event; /* EVENT_OFFCPU, EVENT_FAULT */
	uint32_t thread;
	uint32_t stacks[SUM_MEASURES]; /* for each measure; STACK_NONE: not used */
};

/* The tables are borrowed for the table's life. */
struct sum_table *sum_table_new(struct bucket_ring *history, struct process_table *processes,
				struct stack_table *stacks);
void sum_table_free(struct sum_table *table);
DEFINE_CLEANUP(sum_table_free, struct sum_table)

/* Learn of a stack; one that is known already starts anew. */
void sum_table_add(struct sum_table *table, const struct sum_stack *stack, uint64_t now_ns);

/* What was announced under id; NULL when nothing was. Borrowed until the table changes. */
const struct sum_stack *sum_table_find(const struct sum_table *table, uint64_t id);

/*
 * Put what sum has grown by since the last time into the history, as measured from from_ns to
 * to_ns; *thread is whose it is. Returns the number of events. Errors: -ENOENT: the stack is not
 * known (yet).
 */
must_check int sum_table_apply(struct sum_table *table, uint64_t id, const struct sum *sum,
			       uint64_t from_ns, uint64_t to_ns, uint32_t *thread);

/*
 * What is counted under id from from_ns on, as blocked, belongs to the entry to_id: so it is in the
 * history once sum_table_settle() was called. Both have to be known.
 */
void sum_table_move(struct sum_table *table, uint64_t id, uint64_t to_id, uint64_t from_ns);

/* Everything up to now_ns has been applied: make the moves that were asked for. */
void sum_table_settle(struct sum_table *table, uint64_t now_ns);

/* A thread ended; thread is any entry of it, as it was called when. */
void sum_table_end(struct sum_table *table, uint32_t thread);

/*
 * Drop entries that were not used for SUM_TABLE_IDLE_NS, and those of threads that ended
 * SUM_TABLE_ENDED_NS or a little longer ago, calling on_dropped for each.
 */
void sum_table_evict(struct sum_table *table, uint64_t now_ns,
		     void (*on_dropped)(void *context, uint64_t id), void *context);

/* Entries in use. */
uint32_t sum_table_count(const struct sum_table *table);

/* Write the ids of all entries, of which there are sum_table_count(). */
void sum_table_ids(const struct sum_table *table, uint64_t *ids);

#endif
