/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watching a heap costs, what it may cost, and what follows from that: whether every allocation
 * can be recorded, or for how long at a time probes may be switched on. Arithmetic alone; the heap
 * process (heap_process.h) acts on it.
 *
 * A probe costs the target a trap whatever the kernel program does then, so the only ways to spend
 * less are fewer allocations, which are the target's business, and less time.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_GOVERNOR_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_GOVERNOR_H

#include <stdint.h>

#include "bpf/heap_record.h"

/* Of the budget, over a period and a CPU, that the kernel program may spend before it gives up. */
#define HEAP_GOVERNOR_FUSE 2.0

/* Of the budget, what recording more than now may cost to be tried again. */
#define HEAP_GOVERNOR_RETRY 0.5

#define HEAP_GOVERNOR_MIN_WINDOW_NS UINT64_C(3000000)
#define HEAP_GOVERNOR_PERIOD_NS     UINT64_C(1000000000)
#define HEAP_GOVERNOR_MAX_PERIOD_NS UINT64_C(60000000000)

/* Cost of one hit of each kind. Units: ns. */
struct heap_costs {
	double entry_ns; /* trap and bookkeeping at an entry */
	double pair_ns;  /* the same at entry and return */
	double free_ns;
	double dear_ns;  /* more, where the kernel runs the instruction out of line */
	double walk_ns;  /* to walk and record a stack */
	double error;    /* no cost: how far the above may be off, as a share */
	double least_ns; /* no cost: the least that a program needs from one hit to the next */
};

/* What was spent in a stretch of time. */
struct heap_spending {
	double cost_ns;
	double leaves_ns;   /* of it, to see what C++ operators return */
	double followed_ns; /* what that would cost for all that began */
	double cpu_ns;      /* that the target used */
	double wall_ns;     /* that went by */
};

/* What hits cost when everything is recorded, or, with is_window, in windows. */
double heap_governor_cost_ns(const struct heap_costs *costs, const struct heap_usage *usage,
			     int is_window);

/*
 * What a budget is a share of: the CPU time of the target, or the time that went by where that is
 * more. A process that hardly runs is no slower for a hundredth of a CPU that it did not use.
 */
double heap_governor_base_ns(double cpu_ns, double wall_ns);

/* What may be spent in cpu_ns and wall_ns for a budget in percent. */
double heap_governor_budget_ns(double budget_percent, double cpu_ns, double wall_ns);

/* Non-zero when more was spent than the budget allows; a budget of 0 percent is none. */
int heap_governor_is_over(double budget_percent, const struct heap_spending *spending);

/*
 * Non-zero when the rest would be within the budget if what C++ operators return were not looked at; and
 * when all of it would, too.
 */
int heap_governor_fits_without(double budget_percent, const struct heap_spending *spending);
int heap_governor_fits_with(double budget_percent, const struct heap_spending *spending);

/* How long the next window should be, from what a window of window_cpu_ns of the target cost. */
uint64_t heap_governor_window_ns(double budget_percent, const struct heap_spending *period,
				 double window_cost_ns, double window_cpu_ns, uint64_t *period_ns);

#endif
