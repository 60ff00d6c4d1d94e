/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of switches and page faults is looked at, so that looking stays inside the budget: half
 * of it for the hooks as such, which cost something at every switch on the host (they are attached
 * for a share of the time only, when that is too much for the busiest CPU), and half for walking stacks (threads are
 * walked less often). Weights carry both, so answers stay unbiased when they move.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_PACING_H
#define FLAME_DAEMON_CORE_TARGETS_PACING_H

#include <stdint.h>

#include "daemon/core/history/bucket_ring.h"

#define PACING_HIT_NS     150 /* a switch or fault that is not walked: measured, 100 to 200 */
#define PACING_MAX_HZ     100 /* walks of a thread each second, about; who has fewer is exact */
#define PACING_MIN_HZ     10
#define PACING_LEAST_DUTY 0.02
#define PACING_LEAST_CPU  0.2   /* CPUs that a budget is taken of at least */
#define PACING_FREE_HITS  25000 /* a second on one CPU: seen in any case, */
#define PACING_MANY_HITS  50000 /* unless there are more: then fewer, the more there are, */
#define PACING_LEAST_FREE 0.4   /* down to this share of the free ones */
/* Of page faults alone less is enough to tell where memory grows: of budget and free hits. */
#define PACING_FAULT_SHARE 0.1

/* What is in force. */
struct pacing {
	double hz;   /* walks of a thread each second */
	double keep; /* share of those, below PACING_MIN_HZ */
	double duty; /* share of the time in which the hooks are attached */
};

/* What happened since the last adjustment. */
struct pacing_usage {
	uint64_t hits;        /* switches and faults that the hooks saw */
	uint64_t peak;        /* of them on the CPU with most */
	uint64_t walk_ns;     /* time spent on stacks */
	uint64_t look_ns;     /* time spent on looks at all threads */
	double hit_ns;        /* what a hit costs that is not walked: measured, or PACING_HIT_NS */
	uint64_t attached_ns; /* the hooks were */
	uint64_t cpu_ns;      /* used by those who are watched */
	uint64_t elapsed_ns;
	double share; /* of budget and free hits that may be used: 1, or PACING_FAULT_SHARE */
	double budget_percent; /* of the CPU time of those who are watched; 0: no limit */
};

/* Begin with everything. */
void pacing_init(struct pacing *pacing);

/* Move towards the budget. */
void pacing_adjust(struct pacing *pacing, const struct pacing_usage *usage);

/* What looking cost, of what, and what it might cost. */
struct cost pacing_cost(const struct pacing_usage *usage);

#endif
