/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_governor.h"

#include "daemon/core/targets/governor.h"

double heap_governor_cost_ns(const struct heap_costs *costs, const struct heap_usage *usage,
			     int is_window)
{
	double entry_ns = is_window ? costs->entry_ns : costs->pair_ns;

	return (double)usage->hits * entry_ns + (double)usage->frees * costs->free_ns +
	       (double)usage->dear * costs->dear_ns + (double)usage->sampled * costs->walk_ns;
}

double heap_governor_base_ns(double cpu_ns, double wall_ns)
{
	return cpu_ns > wall_ns ? cpu_ns : wall_ns;
}

double heap_governor_budget_ns(double budget_percent, double cpu_ns, double wall_ns)
{
	return heap_governor_base_ns(cpu_ns, wall_ns) * budget_percent / 100;
}

int heap_governor_is_over(double budget_percent, const struct heap_spending *spending)
{
	if (budget_percent <= 0)
		return 0;
	return spending->cost_ns >
	       heap_governor_budget_ns(budget_percent, spending->cpu_ns, spending->wall_ns);
}

int heap_governor_fits_without(double budget_percent, const struct heap_spending *spending)
{
	struct heap_spending less = *spending;

	less.cost_ns -= less.leaves_ns;
	return !heap_governor_is_over(budget_percent, &less);
}

int heap_governor_fits_with(double budget_percent, const struct heap_spending *spending)
{
	struct heap_spending more = *spending;

	more.cost_ns += more.followed_ns - more.leaves_ns;
	return !heap_governor_is_over(budget_percent, &more);
}

uint64_t heap_governor_window_ns(double budget_percent, const struct heap_spending *period,
				 double window_cost_ns, double window_cpu_ns, uint64_t *period_ns)
{
	double aim_ns = GOVERNOR_AIM *
			heap_governor_budget_ns(budget_percent, period->cpu_ns, period->wall_ns);
	/* Of the time in a window, the share that goes to the probes. */
	double share = window_cpu_ns > 0 ? window_cost_ns / window_cpu_ns : 0;
	double busy = period->wall_ns > 0 ? period->cpu_ns / period->wall_ns : 1;
	double window_ns;

	*period_ns = HEAP_GOVERNOR_PERIOD_NS;
	if (share > 1)
		share = 1;
	if (share * busy <= 0)
		return HEAP_GOVERNOR_PERIOD_NS / 2;
	/* Aim for a period of one second; busy CPUs lose share of each ns in the window. */
	aim_ns *= (double)HEAP_GOVERNOR_PERIOD_NS / (period->wall_ns > 0 ? period->wall_ns : 1);
	window_ns = aim_ns / (share * busy);
	if (window_ns > HEAP_GOVERNOR_PERIOD_NS / 2)
		window_ns = HEAP_GOVERNOR_PERIOD_NS / 2;
	if (window_ns >= HEAP_GOVERNOR_MIN_WINDOW_NS)
		return (uint64_t)window_ns;
	/* Shorter ones are biased: rather have fewer. */
	*period_ns = (uint64_t)((double)HEAP_GOVERNOR_PERIOD_NS * HEAP_GOVERNOR_MIN_WINDOW_NS /
				window_ns);
	if (*period_ns > HEAP_GOVERNOR_MAX_PERIOD_NS)
		*period_ns = HEAP_GOVERNOR_MAX_PERIOD_NS;
	return HEAP_GOVERNOR_MIN_WINDOW_NS;
}
