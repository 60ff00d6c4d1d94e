/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What broker and core agree on about the perf events that stand in for the kernel programs where
 * BPF cannot be had: two events a CPU, each with a ring buffer of its own, so that many samples
 * cannot displace what is told about processes. The broker opens them, the core maps and reads them.
 */
#ifndef FLAME_DAEMON_BROKER_PERF_LAYOUT_H
#define FLAME_DAEMON_BROKER_PERF_LAYOUT_H

#include <linux/perf_event.h>
#include <stdint.h>
#include <time.h>

/* The one with samples, and the one with mappings, names, forks and exits of processes. */
enum perf_ring_kind { PERF_RING_SAMPLES, PERF_RING_TASKS, PERF_RING_COUNT };

/* Of the rings, without the page that describes them; powers of two. Units: bytes. */
#define PERF_SAMPLES_MAX_BYTES   (UINT32_C(8) << 20) /* half a second at 499 Hz */
#define PERF_SAMPLES_MIN_BYTES   (UINT32_C(1) << 20)
#define PERF_SAMPLES_TOTAL_BYTES (UINT32_C(64) << 20) /* of all CPUs, unless that is too little */
#define PERF_TASKS_BYTES         (UINT32_C(512) << 10)

/* What is copied of a stack, from sp on: see docs/decisions/copied-stacks.md. */
#define PERF_STACK_BYTES UINT32_C(32768)

/* Registers that are sampled: ax bx cx dx si di bp sp ip, and r8 to r15. */
#define PERF_REGISTERS_MASK  UINT64_C(0xff01ff)
#define PERF_REGISTERS_COUNT 17

/*
 * The order of fields in a sample follows from this. What PERF_SAMPLE_PERIOD tells of the CPU clock is
 * the period that it was opened with, not the one in force. PERF_SAMPLE_CGROUP is left out where the kernel
 * does not know it. The tasks' ring has the first three, behind each record.
 */
#define PERF_ID_FIELDS ((uint64_t)(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU))
#define PERF_SAMPLE_FIELDS                                                           \
	(PERF_ID_FIELDS | (uint64_t)(PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER | \
				     PERF_SAMPLE_STACK_USER | PERF_SAMPLE_CGROUP))

/* Boot time is no clock for interrupts that cannot be masked: the core adds the difference. */
#define PERF_CLOCK CLOCK_MONOTONIC

/* The size of each ring with samples, where there are so many possible CPUs. */
static inline uint32_t perf_samples_bytes(uint32_t cpu_count)
{
	uint32_t bytes = PERF_SAMPLES_MAX_BYTES;

	while (bytes > PERF_SAMPLES_MIN_BYTES && bytes > PERF_SAMPLES_TOTAL_BYTES / cpu_count)
		bytes /= 2;
	return bytes;
}

#endif
