/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_tier.h"

#include <string.h>

static const char *const tier_names[] = {
	[HEAP_TIER_STARTING] = "starting", [HEAP_TIER_FULL] = "full",
	[HEAP_TIER_PARTIAL] = "partial",   [HEAP_TIER_DUTY] = "duty",
	[HEAP_TIER_STOPPED] = "stopped",   [HEAP_TIER_ENDED] = "ended",
	[HEAP_TIER_FAILED] = "failed",
};

const char *heap_tier_name(enum heap_tier tier)
{
	return tier_names[tier];
}

void heap_tier_log_add(struct heap_tier_log *log, uint64_t time_ns, enum heap_tier tier,
		       const char *reason)
{
	if (log->count == HEAP_TIER_CHANGES) {
		memmove(log->changes, log->changes + 1,
			(HEAP_TIER_CHANGES - 1) * sizeof(log->changes[0]));
		log->count--;
	}
	log->changes[log->count++] = (struct heap_change){time_ns, tier, reason};
}
