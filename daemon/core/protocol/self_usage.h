/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flamed itself uses: CPU time and memory of the broker, the core and the readers together,
 * looked at every few seconds so that the last minute can be told.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_SELF_USAGE_H
#define FLAME_DAEMON_CORE_PROTOCOL_SELF_USAGE_H

#include <stdint.h>

#define SELF_USAGE_POINTS     13 /* a minute */
#define SELF_USAGE_PERIOD_SEC 5
#define SELF_USAGE_PROCESSES  16

struct self_usage {
	uint32_t broker_pid;
	struct {
		uint64_t time_ns;
		uint64_t cpu_ns;
	} points[SELF_USAGE_POINTS];
	uint32_t count; /* points taken so far */
};

/* Zero-initialise, set broker_pid, and call this every SELF_USAGE_PERIOD_SEC. */
void self_usage_look(struct self_usage *usage);

/* CPU time over the last minute (or since the start), percent of one CPU. */
double self_usage_cpu_percent(const struct self_usage *usage);

/* Resident memory of all processes of flamed; what they share is counted for each. */
uint64_t self_usage_rss_bytes(const struct self_usage *usage);

/* Fill pids with the processes of flamed; returns how many. The broker comes first. */
uint32_t self_usage_pids(const struct self_usage *usage, uint32_t pids[SELF_USAGE_PROCESSES]);

#endif
