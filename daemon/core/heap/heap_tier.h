/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways in which a heap may be watched (heap_process.h says what they mean), and the log of when a
 * process was watched how, and why: the last HEAP_TIER_CHANGES are remembered.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_TIER_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_TIER_H

#include <stdint.h>

#define HEAP_TIER_CHANGES 32

enum heap_tier {
	HEAP_TIER_STARTING,
	HEAP_TIER_FULL,
	HEAP_TIER_PARTIAL,
	HEAP_TIER_DUTY,
	HEAP_TIER_STOPPED, /* asked for */
	HEAP_TIER_ENDED,   /* the process is gone; what it held last is still known */
	HEAP_TIER_FAILED,
};

/* "full", "duty": as the protocol has them. */
const char *heap_tier_name(enum heap_tier tier);

/* A change of tier. */
struct heap_change {
	uint64_t time_ns;
	enum heap_tier tier;
	const char *reason;
};

/* All zero is an empty one. */
struct heap_tier_log {
	struct heap_change changes[HEAP_TIER_CHANGES]; /* oldest first */
	uint32_t count;
};

/* Note a change; reason is a sentence's end and static. The oldest one goes where there are many. */
void heap_tier_log_add(struct heap_tier_log *log, uint64_t time_ns, enum heap_tier tier,
		       const char *reason);

#endif
