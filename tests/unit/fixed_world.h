/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time and chance as a test wants them, in place of clock_gettime(2) and random(3) of the C library,
 * for libevent's timers too: a test moves time on and need not wait.
 */
#ifndef FLAME_TESTS_UNIT_FIXED_WORLD_H
#define FLAME_TESTS_UNIT_FIXED_WORLD_H

#include <stdint.h>
#include <time.h>

#define FIXED_WORLD_CPU_CLOCK CLOCK_PROCESS_CPUTIME_ID /* the clock that is not the time */

struct fixed_world {
	uint64_t now_ns; /* of every other clock */
	uint64_t cpu_ns;
	double chance; /* what random(3) gives, as a share of RAND_MAX */
};

extern struct fixed_world fixed_world;

#endif
