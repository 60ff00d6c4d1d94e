/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fixed_world.h"

#include <stdlib.h>

#include "common/clock.h"

struct fixed_world fixed_world;

int clock_gettime(clockid_t clock, struct timespec *time)
{
	uint64_t value = clock == FIXED_WORLD_CPU_CLOCK ? fixed_world.cpu_ns : fixed_world.now_ns;

	*time = (struct timespec){.tv_sec = (time_t)(value / NS_PER_SECOND),
				  .tv_nsec = (long)(value % NS_PER_SECOND)};
	return 0;
}

long random(void)
{
	return (long)(fixed_world.chance * RAND_MAX);
}
