/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work in equal units, for programs whose profile is known by construction: a unit costs the same
 * CPU time in whichever function it is spent, because it is a chain of multiplications that each
 * wait for the one before, and because it is inlined, so the time shows in the caller itself.
 */
#ifndef FLAME_TESTS_WORKLOADS_WORK_H
#define FLAME_TESTS_WORKLOADS_WORK_H

#include <stdint.h>
#include <time.h>

#define WORK_LINKS 1000 /* multiplications in a unit: about a microsecond and a half */

/* A function that stays one frame of its own: not inlined, cloned, merged or tail-called. */
#ifdef __clang__
#define work_frame __attribute__((noinline))
#else
#define work_frame __attribute__((noinline, noclone, noipa))
#endif

/* What is left of the work; keeps the compiler from removing it. */
extern volatile uint64_t work_result;

static inline __attribute__((always_inline)) void work(uint64_t units)
{
	uint64_t value = work_result;

	/* A leaf gets a frame of its own only when it asks: else a walk by frame pointers skips its caller. */
	__asm__ volatile("" : : "r"(__builtin_frame_address(0)));
	for (uint64_t i = 0; i < units * WORK_LINKS; i++)
		value = value * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	work_result = value;
}

/* Seconds of the clock, for what ends after a while. */
static inline double work_seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
