/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes cost on this machine, for all processes whose heap is watched: constants until a
 * prober has measured it (daemon/broker/probe_costs.h). It is measured again as long as estimates are
 * made from it: other programs on the same cores change it.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_CALIBRATION_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_CALIBRATION_H

#include "daemon/core/heap/heap_governor.h"

struct prober_client;

enum heap_calibration_state {
	HEAP_CALIBRATION_MISSING,
	HEAP_CALIBRATION_ASKED, /* a prober has the question */
	HEAP_CALIBRATION_DONE,
	HEAP_CALIBRATION_FAILED, /* the constants stay */
};

struct heap_calibration {
	struct heap_costs costs;
	enum heap_calibration_state state;
	const struct prober_client *asked; /* NULL: nobody */
	uint64_t measured_ns;              /* when it was last */
	uint32_t count;                    /* how often it was */
};

/* Begin with the constants. */
void heap_calibration_init(struct heap_calibration *calibration);

/*
 * Once a second: ask prober, if it is time to and nobody else was asked. It has to be forgotten
 * before it goes. is_estimated: estimates are made from the costs.
 */
void heap_calibration_ask(struct heap_calibration *calibration, struct prober_client *prober,
			  int is_estimated);
void heap_calibration_forget(struct heap_calibration *calibration,
			     const struct prober_client *prober);

#endif
