/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events that make samples: one on each CPU, hardware cycles where the machine has them, else
 * the CPU clock. CPUs may come and go: cpu_events_set_rate() notices.
 */
#ifndef FLAME_DAEMON_BROKER_CPU_EVENTS_H
#define FLAME_DAEMON_BROKER_CPU_EVENTS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define MAX_RATE_HZ 10000

struct cpu_events;

/* Find out what the machine can count; program is run on each event. */
struct cpu_events *cpu_events_new(int cpu_count, int program);
void cpu_events_free(struct cpu_events *events);
DEFINE_CLEANUP(cpu_events_free, struct cpu_events)

/* Non-zero: hardware cycles; zero: the CPU clock. */
int cpu_events_are_cycles(const struct cpu_events *events);

/*
 * Fire rate_hz times a second on each CPU that is online now, 0: never. Errors: -EINVAL for a rate
 * over MAX_RATE_HZ; as perf_event_open(2) when no CPU has an event.
 */
must_check int cpu_events_set_rate(struct cpu_events *events, uint64_t rate_hz);

#endif
