/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows in which the allocations of a process are sampled, at a random time of each period, as
 * long as the budget allows. What a window saw stands for the whole period: scaled by the CPU time
 * that the process used in the period over the CPU time that was its own in the window, for much of a
 * window goes to the probes themselves (dilation.h, which also says how sure that is).
 *
 * In a window an allocation is kept with the chance size / interval, so it stands for at least one
 * interval of bytes.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_DUTY_CYCLE_H
#define FLAME_DAEMON_CORE_HEAP_DUTY_CYCLE_H

#include <stdint.h>
#include <time.h>

#include "common/cleanup.h"

struct duty_cycle;
struct heap_costs;
struct heap_sums;
struct heap_slot;
struct heap_sources;
struct prober_client;

/* All borrowed for the life of the cycle. */
struct duty_setup {
	const struct heap_sources *sources;
	struct prober_client *prober;
	struct heap_slot *slot;
	uint32_t slot_number;
	uint32_t pid;
	clockid_t cpu_clock;
	double budget_percent;
	const struct heap_costs *costs;
	struct heap_sums *sums; /* that what is estimated is added to */
};

/* Begin with the first period. on_lost is called when the prober does not do as it should. */
struct duty_cycle *duty_cycle_new(const struct duty_setup *setup, void (*on_lost)(void *context),
				  void *context);

/* End it; what a period that is not over has seen is scaled by what is known. */
void duty_cycle_free(struct duty_cycle *duty);
DEFINE_CLEANUP(duty_cycle_free, struct duty_cycle)

/* A sample of the window. thread and stack are borrowed. */
void duty_cycle_add(struct duty_cycle *duty, uint32_t thread, uint32_t stack, uint64_t size,
		    uint64_t interval);

/*
 * Non-zero when to record every allocation and free would take less than half of the budget;
 * is_followed: with what C++ operators return.
 */
int duty_cycle_fits(const struct duty_cycle *duty, int is_followed);

#endif
