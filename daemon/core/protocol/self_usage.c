/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/self_usage.h"

#include "common/clock.h"
#include "daemon/core/processes/process_info.h"

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

static void sum(const struct self_usage *usage, uint64_t *cpu_ns, uint64_t *rss_bytes)
{
	uint32_t pids[SELF_USAGE_PROCESSES];
	uint32_t count = self_usage_pids(usage, pids);

	*cpu_ns = *rss_bytes = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct process_info info;
		uint64_t exact_ns;

		if (process_info_read(pids[i], &info))
			continue;
		/* Each of them is one thread. */
		if (process_info_read_cpu_ns(pids[i], &exact_ns))
			exact_ns = info.cpu_ns;
		*cpu_ns += exact_ns;
		*rss_bytes += info.rss_bytes;
	}
}

void self_usage_look(struct self_usage *usage)
{
	uint64_t cpu_ns, rss_bytes;
	uint32_t slot = usage->count++ % SELF_USAGE_POINTS;

	sum(usage, &cpu_ns, &rss_bytes);
	usage->points[slot].time_ns = clock_boot_ns();
	usage->points[slot].cpu_ns = cpu_ns;
}

double self_usage_cpu_percent(const struct self_usage *usage)
{
	uint64_t cpu_ns, rss_bytes;
	uint64_t now_ns = clock_boot_ns();

	if (usage->count == 0)
		return 0;
	uint32_t oldest = usage->count < SELF_USAGE_POINTS ? 0 : usage->count % SELF_USAGE_POINTS;
	sum(usage, &cpu_ns, &rss_bytes);
	/* A reader that ended takes its time with it. */
	if (now_ns <= usage->points[oldest].time_ns || cpu_ns <= usage->points[oldest].cpu_ns)
		return 0;
	return 100.0 * (double)(cpu_ns - usage->points[oldest].cpu_ns) /
	       (double)(now_ns - usage->points[oldest].time_ns);
}

uint64_t self_usage_rss_bytes(const struct self_usage *usage)
{
	uint64_t cpu_ns, rss_bytes;

	sum(usage, &cpu_ns, &rss_bytes);
	return rss_bytes;
}
