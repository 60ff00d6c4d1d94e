/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks: samples and buckets are stamped with boot time (never set back, runs on during
 * suspend), people ask in wall-clock time. One is turned into the other only when a question is
 * answered, so a clock that was set in between does not tear the history.
 */
#ifndef FLAME_COMMON_CLOCK_H
#define FLAME_COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_SECOND UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)

static inline uint64_t clock_read_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Now as the kernel stamps samples. Units: ns since boot. */
static inline uint64_t clock_boot_ns(void)
{
	return clock_read_ns(CLOCK_BOOTTIME);
}

/* Now as people tell it. Units: ns since the epoch. */
static inline uint64_t clock_wall_ns(void)
{
	return clock_read_ns(CLOCK_REALTIME);
}

#endif
