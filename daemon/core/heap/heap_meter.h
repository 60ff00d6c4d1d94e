/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What watching the heap of one process costs: reads what the kernel programs counted and what the
 * process used of the CPU, adds up the ledger, and says whether the budget is exceeded. Embedded in
 * its heap process, which acts on it.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_METER_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_METER_H

#include <stdint.h>
#include <time.h>

#include "daemon/core/heap/heap_governor.h"
#include "daemon/core/heap/heap_ledger.h"
#include "daemon/core/heap/heap_sources.h"

/* The budget is held over such a stretch, and not exceeded by more than so much in a second. */
#define HEAP_METER_STRETCH_NS UINT64_C(5000000000)
#define HEAP_METER_FAR_OVER   1.5

struct heap_meter {
	const struct heap_sources *sources; /* borrowed */
	uint32_t slot;
	double budget_percent;   /* 0: none */
	clockid_t cpu_clock;     /* of the process */
	struct heap_costs costs; /* the machine's; walks as they are here */
	struct heap_usage usage; /* when it was looked at last */
	uint64_t cpu_ns;         /* likewise */
	uint64_t looked_ns;
	struct heap_ledger ledger;
};

/* Get ready for process pid, which may be gone. sources is borrowed. */
void heap_meter_init(struct heap_meter *meter, const struct heap_sources *sources, uint32_t slot,
		     double budget_percent, uint32_t pid);

/* Count from now_ns on: what was spent before is nobody's. */
void heap_meter_begin(struct heap_meter *meter, uint64_t now_ns);

/* Tell the kernel program when to give up, by what hits are known to cost. */
void heap_meter_set_fuse(const struct heap_meter *meter);

/* What was spent since the last look; is_window: in windows. Adds it to the ledger. */
struct heap_spending heap_meter_look(struct heap_meter *meter, uint64_t now_ns, int is_window);

/*
 * Is the budget exceeded: by far in the last second, or at all over some, if everything has been
 * recorded since since_ns? A second alone may have been disturbed by what else runs here.
 */
int heap_meter_is_over(const struct heap_meter *meter, const struct heap_spending *last,
		       uint64_t since_ns, uint64_t now_ns);

#endif
