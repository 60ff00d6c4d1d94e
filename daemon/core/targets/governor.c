/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/governor.h"

#include "daemon/core/targets/target.h"

/* A change of less is not worth telling the kernel. */
#define MIN_CHANGE 0.1

/* The rate may double in a step upwards: the cost of a higher rate is known only when it is tried. */
#define MAX_GROWTH 2.0

static struct cost cost_of(const struct target_usage *usage, double core_ns_per_sample)
{
	return (struct cost){
		.spent_ns =
			usage->cost_ns + (uint64_t)((double)usage->samples * core_ns_per_sample),
		.base_ns = usage->weight_ns,
	};
}

static struct target_usage usage_of(const struct target *target)
{
	return (struct target_usage){target->cpu_samples, target->weight_ns, target->cost_ns};
}

double governor_overhead_percent(const struct target *target, double core_ns_per_sample)
{
	struct target_usage usage = usage_of(target);
	struct cost samples = cost_of(&usage, core_ns_per_sample);
	struct cost heap = {.spent_ns = target->heap_cost_ns, .base_ns = target->heap_base_ns};

	/* Each is a share of what it is paid for; what a target costs is all of them. */
	return cost_percent(&samples) + cost_percent(&target->watched) + cost_percent(&heap);
}

uint32_t governor_choose_rate(struct target *target, double core_ns_per_sample)
{
	struct target_usage *last = &target->governed;
	uint64_t weight_ns = target->weight_ns - last->weight_ns;

	if (weight_ns < GOVERNOR_MIN_WEIGHT_NS)
		return target->rate_hz;
	struct target_usage now = usage_of(target);
	struct target_usage since = {now.samples - last->samples, weight_ns,
				     now.cost_ns - last->cost_ns};
	struct cost cost = cost_of(&since, core_ns_per_sample);
	double percent = cost_percent(&cost);
	*last = now;
	if (percent <= 0)
		return target->rate_hz;
	/* Cost is proportional to the rate. */
	double factor = GOVERNOR_AIM * target->budget_percent / percent;
	if (factor > MAX_GROWTH)
		factor = MAX_GROWTH;
	double rate_hz = target->rate_hz * factor;
	if (rate_hz > target->asked_hz)
		rate_hz = target->asked_hz;
	if (rate_hz < 1)
		rate_hz = 1;
	double change = rate_hz / target->rate_hz - 1;
	if (change > -MIN_CHANGE && change < MIN_CHANGE && rate_hz < target->asked_hz)
		return target->rate_hz;
	return (uint32_t)rate_hz;
}
