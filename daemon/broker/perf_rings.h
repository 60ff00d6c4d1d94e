/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that make samples without BPF: the kernel copies registers and stack of whatever runs
 * (perf_layout.h), and the core, which gets the descriptors, decides what of that is wanted. Events
 * are on every CPU, since those of a process are blind to children that live shortly.
 */
#ifndef FLAME_DAEMON_BROKER_PERF_RINGS_H
#define FLAME_DAEMON_BROKER_PERF_RINGS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/broker/perf_layout.h"

struct perf_rings;

/* Find out what may be sampled on cpu_count possible CPUs. Errors: as perf_event_open(2). */
must_check int perf_rings_new(int cpu_count, struct perf_rings **rings);
void perf_rings_free(struct perf_rings *rings);
DEFINE_CLEANUP(perf_rings_free, struct perf_rings)

/* What samples are made of: hardware cycles or the CPU clock; sample_type of the attributes. */
int perf_rings_are_cycles(const struct perf_rings *rings);
uint64_t perf_rings_fields(const struct perf_rings *rings);

/* Non-zero when kernel mode is not sampled, because that is not permitted. */
int perf_rings_lack_kernel(const struct perf_rings *rings);

/*
 * Open the events of cpu, in the order of enum perf_ring_kind, at the rate in force. Owned: fds.
 * Errors: -EALREADY while those that were opened before work, -ENODEV when the CPU is not online.
 */
must_check int perf_rings_open(struct perf_rings *rings, uint64_t cpu, int fds[PERF_RING_COUNT]);

/* Sample rate_hz times a second on each CPU, 0: never. Errors: -EINVAL, as ioctl(2). */
must_check int perf_rings_set_rate(struct perf_rings *rings, uint64_t rate_hz);

#endif
