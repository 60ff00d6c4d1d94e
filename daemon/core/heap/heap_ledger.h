/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watching a heap has cost, second by second, and how sure its estimates are: sums that only
 * grow, kept for the last HEAP_LEDGER_POINTS seconds, so that a window is told what is its own.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_LEDGER_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_LEDGER_H

#include <stdint.h>

#define HEAP_LEDGER_POINTS 600

/* Sums. Cost in ns, and what it is a share of; bytes that were estimated, and their bounds. */
struct heap_sums {
	double cost_ns;
	double base_ns;
	double estimated;
	double low;
	double high;
	double variance; /* of what was estimated, by what windows happened to see */
};

struct heap_point {
	uint64_t time_ns; /* boot */
	struct heap_sums sums;
};

/* All zero is an empty one. */
struct heap_ledger {
	struct heap_sums sums; /* up to now */
	struct heap_point points[HEAP_LEDGER_POINTS];
	uint32_t next;
	uint32_t count;
};

/* Note the sums as they are at a time, not earlier than the last. */
void heap_ledger_note(struct heap_ledger *ledger, uint64_t time_ns);

/* What was added between two times, as far as it is known: to the second. */
struct heap_sums heap_ledger_between(const struct heap_ledger *ledger, uint64_t from_ns,
				     uint64_t to_ns);

#endif
