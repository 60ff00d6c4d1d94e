/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The history: a ring of buckets, each a fixed slice of time that holds rows (event, thread, stack)
 * with count, weight and variance. Buckets older than the retention, or than memory allows, leave
 * oldest first and give their references to threads and stacks back. A window of time is answered
 * from whole buckets.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_BUCKET_RING_H
#define FLAME_DAEMON_CORE_HISTORY_BUCKET_RING_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/processes/process_table.h"

#define BUCKET_RING_MAX_BUCKETS 100000

struct bucket_row {
	uint32_t thread; /* a reference of the bucket */
	uint32_t stack;  /* likewise */
	uint32_t event;  /* enum record_event */
	uint32_t count;  /* samples */
	uint64_t weight; /* in the event's unit */
	double variance;
	float certain; /* of weight: measured, not estimated */
	float largest; /* of the weights that were estimated, the largest */
};

/* What is added to a row at once. */
struct bucket_measure {
	uint32_t count;
	uint64_t weight;
	double variance;
	double certain;
	double largest;
};

/* What is paid for, each a share of something else. */
enum cost_kind {
	COST_CPU,   /* samples: of the CPU time that they stand for */
	COST_WATCH, /* sleeps and page faults: of the CPU time of those who are watched, or of */
		    /* PACING_LEAST_CPU where they use less */
	COST_HEAP,  /* heaps: of the CPU time of their processes, or of one CPU */
	COST_KINDS
};

struct cost {
	uint64_t spent_ns;
	uint64_t base_ns;    /* what it is a share of */
	uint64_t allowed_ns; /* by the budget; 0: without limit, or not known */
};

/* Add what was spent to sum. */
static inline void cost_add(struct cost *sum, const struct cost *more)
{
	sum->spent_ns += more->spent_ns;
	sum->base_ns += more->base_ns;
	sum->allowed_ns += more->allowed_ns;
}

/* As a percentage; 0 when nothing is known. */
static inline double cost_percent(const struct cost *cost)
{
	return cost->base_ns ? 100.0 * (double)cost->spent_ns / (double)cost->base_ns : 0;
}

/* Sums over a bucket that do not belong to a row. */
struct bucket_totals {
	uint64_t lost[EVENT_COUNT]; /* samples taken in it and not kept */
	struct cost costs[COST_KINDS];
	uint32_t rate_hz; /* highest rate in force */
	float duty;       /* share of the time in which switches were seen; 0: all of it */
};

struct bucket {
	uint64_t start_ns; /* boot time, a multiple of the bucket's length */
	struct bucket_row *rows;
	uint32_t row_count;
	size_t row_capacity;
	struct bucket_totals totals;
};

/* A range of boot time. */
struct bucket_window {
	uint64_t from_ns;
	uint64_t to_ns;
};

struct bucket_ring;

/* Tables are borrowed for the ring's life. Units: ns, bytes (of rows and all they refer to). */
struct bucket_ring *bucket_ring_new(uint64_t bucket_ns, uint64_t retention_ns, size_t memory_bytes,
				    struct stack_table *stacks, struct process_table *processes,
				    uint64_t now_ns);
void bucket_ring_free(struct bucket_ring *ring);
DEFINE_CLEANUP(bucket_ring_free, struct bucket_ring)

/*
 * Add one sample to the bucket of time_ns. Takes one reference each to thread and stack (released
 * at once when an equal row holds them already). Errors: -ETIME, and no reference is taken, when
 * the time is older than what is kept.
 */
must_check int bucket_ring_add(struct bucket_ring *ring, uint64_t time_ns, uint32_t event,
			       uint32_t thread, uint32_t stack, uint64_t weight);

/*
 * Add what was measured from from_ns to to_ns, evenly over that time, to the buckets that it lies
 * in; what is older than all of them is left out. Takes one reference each to thread and stack, in
 * any case; stack may be STACK_NONE.
 */
void bucket_ring_spread(struct bucket_ring *ring, uint64_t from_ns, uint64_t to_ns, uint32_t event,
			uint32_t thread, uint32_t stack, const struct bucket_measure *measure);

/*
 * What is said of thread and event under one stack from from_ns to to_ns, in whole buckets, is said
 * under another one from now on. Takes no reference.
 */
void bucket_ring_move(struct bucket_ring *ring, uint64_t from_ns, uint64_t to_ns, uint32_t event,
		      uint32_t thread, uint32_t from_stack, uint32_t to_stack);

/* Totals of the bucket of time_ns, for the caller to add to; NULL when that time is not kept. */
struct bucket_totals *bucket_ring_totals(struct bucket_ring *ring, uint64_t time_ns);

/* Drop what is older than the retention at now_ns, then oldest buckets until memory suffices. */
void bucket_ring_evict(struct bucket_ring *ring, uint64_t now_ns);

/*
 * Widen window to whole buckets and clip it to what is held. Errors: -ENODATA when nothing of it
 * is.
 */
must_check int bucket_ring_clip(const struct bucket_ring *ring, struct bucket_window *window);

/* Return the first non-empty bucket that starts in [from_ns, to_ns), or NULL. Borrowed. */
const struct bucket *bucket_ring_next(const struct bucket_ring *ring, uint64_t from_ns,
				      uint64_t to_ns);

/* Start of what is held: boot time. */
uint64_t bucket_ring_oldest_ns(const struct bucket_ring *ring);

/* Why the past does not reach further: 1 when memory ran out before the retention did. */
int bucket_ring_is_short_of_memory(const struct bucket_ring *ring);

/* As given to bucket_ring_new(), and the memory in use. */
uint64_t bucket_ring_length_ns(const struct bucket_ring *ring);
uint64_t bucket_ring_retention_ns(const struct bucket_ring *ring);
size_t bucket_ring_bytes(const struct bucket_ring *ring);
size_t bucket_ring_limit_bytes(const struct bucket_ring *ring);

/* Number of buckets that hold rows. */
uint32_t bucket_ring_held(const struct bucket_ring *ring);

#endif
