/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/self_usage.h"

#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/process_info.h"

uint32_t self_usage_pids(const struct self_usage *usage, uint32_t pids[SELF_USAGE_PROCESSES])
{
	uint32_t count = 1;

	pids[0] = usage->broker_pid;
	/* Children are added behind while the list is walked. */
	for (uint32_t i = 0; i < count && count < SELF_USAGE_PROCESSES; i++) {
		int more =
			process_info_children(pids[i], pids + count, SELF_USAGE_PROCESSES - count);

		if (more > 0)
			count += (uint32_t)more;
	}
	return count;
}

static void sum(const struct self_usage *usage, uint64_t *cpu_ticks, uint64_t *rss_bytes)
{
	uint32_t pids[SELF_USAGE_PROCESSES];
	uint32_t count = self_usage_pids(usage, pids);

	*cpu_ticks = *rss_bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct process_info info;

		if (process_info_read(pids[i], &info))
			continue;
		*cpu_ticks += info.cpu_ticks;
		*rss_bytes += info.rss_bytes;
	}
}

void self_usage_look(struct self_usage *usage)
{
	uint64_t cpu_ticks, rss_bytes;
	uint32_t slot = usage->count++ % SELF_USAGE_POINTS;

	sum(usage, &cpu_ticks, &rss_bytes);
	usage->points[slot].time_ns = clock_boot_ns();
	usage->points[slot].cpu_ticks = cpu_ticks;
}

double self_usage_cpu_percent(const struct self_usage *usage)
{
	uint64_t cpu_ticks, rss_bytes;
	uint64_t now_ns = clock_boot_ns();

	if (usage->count == 0)
		return 0;
	uint32_t oldest = usage->count < SELF_USAGE_POINTS ? 0 : usage->count % SELF_USAGE_POINTS;
	sum(usage, &cpu_ticks, &rss_bytes);
	/* A reader that ended takes its time with it. */
	if (now_ns <= usage->points[oldest].time_ns || cpu_ticks <= usage->points[oldest].cpu_ticks)
		return 0;
	double used_s = (double)(cpu_ticks - usage->points[oldest].cpu_ticks) /
			(double)sysconf(_SC_CLK_TCK);
	return 100.0 * used_s * (double)NS_PER_SECOND /
	       (double)(now_ns - usage->points[oldest].time_ns);
}

uint64_t self_usage_rss_bytes(const struct self_usage *usage)
{
	uint64_t cpu_ticks, rss_bytes;

	sum(usage, &cpu_ticks, &rss_bytes);
	return rss_bytes;
}
