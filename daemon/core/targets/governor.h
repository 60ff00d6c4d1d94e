/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The governor keeps what sampling costs a target inside its budget: it looks at the cost measured
 * since the last time and moves the target's rate towards GOVERNOR_AIM of the budget, never above
 * the rate that was asked for. Weights carry the rate, so answers stay unbiased when it moves.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_GOVERNOR_H
#define FLAME_DAEMON_CORE_TARGETS_GOVERNOR_H

#include <stdint.h>

#define GOVERNOR_AIM 0.8 /* share of the budget that is used */

/* CPU time that a target has to use before its cost can be told from chance. */
#define GOVERNOR_MIN_WEIGHT_NS UINT64_C(500000000)

struct target;

/*
 * Return the rate that target should have from now on, 1..asked, from its cost and weight since the
 * last call; core_ns_per_sample is what handling a sample costs outside the target. Called every
 * second or so.
 */
uint32_t governor_choose_rate(struct target *target, double core_ns_per_sample);

/* What sampling has cost target since it was attached, percent of its CPU time. */
double governor_overhead_percent(const struct target *target, double core_ns_per_sample);

#endif
