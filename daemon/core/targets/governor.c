/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/governor.h"

#include "daemon/core/targets/target.h"

/* A change of less is not worth telling the kernel. */
#define MIN_CHANGE 0.1

/* The rate may double in a step upwards: the cost of a higher rate is known only when it is tried. */
#define MAX_GROWTH 2.0

static double cost_percent(uint64_t cost_ns, uint64_t samples, uint64_t weight_ns,
			   double core_ns_per_sample)
{
	if (weight_ns == 0)
		return 0;
	return 100.0 * ((double)cost_ns + (double)samples * core_ns_per_sample) / (double)weight_ns;
}

double governor_overhead_percent(const struct target *target, double core_ns_per_sample)
{
	double heap_percent = target->heap_base_ns ? 100.0 * (double)target->heap_cost_ns /
							     (double)target->heap_base_ns
						   : 0;

	return heap_percent + cost_percent(target->cost_ns, target->samples, target->weight_ns,
					   core_ns_per_sample);
}

uint32_t governor_choose_rate(struct target *target, double core_ns_per_sample)
{
	struct target_usage *last = &target->governed;
	uint64_t weight_ns = target->weight_ns - last->weight_ns;

	if (weight_ns < GOVERNOR_MIN_WEIGHT_NS)
		return target->rate_hz;
	double percent =
		cost_percent(target->cost_ns - last->cost_ns, target->samples - last->samples,
			     weight_ns, core_ns_per_sample);
	*last = (struct target_usage){target->samples, target->weight_ns, target->cost_ns};
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
