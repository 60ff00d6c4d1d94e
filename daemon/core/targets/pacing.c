/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/pacing.h"

#include "common/clock.h"
#include "daemon/core/targets/governor.h"

#define MAX_STEP 2.0 /* what is in force at most doubles or halves at once */

/* With a little to spare, or a duty of one is never reached again. */
#define FULL_DUTY 0.95

static double clamp(double value, double least, double most)
{
	return value < least ? least : value > most ? most : value;
}

void pacing_init(struct pacing *pacing)
{
	*pacing = (struct pacing){.hz = PACING_MAX_HZ, .keep = 1, .duty = 1};
}

/* CPU time that a budget is taken of. */
static double base_ns(const struct pacing_usage *usage)
{
	double least_ns = PACING_LEAST_CPU * (double)usage->elapsed_ns;
	double cpu_ns = (double)usage->cpu_ns;

	return cpu_ns < least_ns ? least_ns : cpu_ns;
}

struct cost pacing_cost(const struct pacing_usage *usage)
{
	double base = base_ns(usage);

	return (struct cost){
		.spent_ns = (uint64_t)((double)usage->hits * usage->hit_ns) + usage->walk_ns +
			    usage->look_ns,
		.base_ns = (uint64_t)base,
		.allowed_ns = (uint64_t)(base * usage->share * usage->budget_percent / 100),
	};
}

/* Share of one CPU that looking may cost. */
static double allowance(const struct pacing_usage *usage)
{
	return GOVERNOR_AIM * usage->share * usage->budget_percent / 100 * base_ns(usage) /
	       (double)usage->elapsed_ns;
}

/* Hits a second that are seen whatever the budget says. */
static double free_hits(const struct pacing_usage *usage)
{
	double peak = (double)usage->peak * (double)NS_PER_SECOND / (double)usage->attached_ns;

	if (peak <= PACING_MANY_HITS)
		return usage->share * PACING_FREE_HITS;
	return usage->share * PACING_FREE_HITS *
	       clamp(PACING_MANY_HITS / peak, PACING_LEAST_FREE, 1);
}

/* Walk factor times as often. */
static void change_walks(struct pacing *pacing, double factor)
{
	double hz = pacing->hz * pacing->keep * clamp(factor, 1 / MAX_STEP, MAX_STEP);

	pacing->hz = clamp(hz, PACING_MIN_HZ, PACING_MAX_HZ);
	pacing->keep = clamp(hz / pacing->hz, 1e-4, 1);
}

void pacing_adjust(struct pacing *pacing, const struct pacing_usage *usage)
{
	double half, hooks, allowed, walks;

	if (!usage->elapsed_ns || !usage->attached_ns)
		return;
	if (usage->budget_percent <= 0) {
		pacing_init(pacing);
		return;
	}
	half = allowance(usage) / 2;
	/* As it would be if the hooks were attached all the time. */
	hooks = (double)usage->peak * usage->hit_ns / (double)usage->attached_ns;
	allowed = free_hits(usage) * usage->hit_ns / (double)NS_PER_SECOND;
	if (allowed < half)
		allowed = half;
	pacing->duty = hooks > 0 ? clamp(allowed / hooks, 0, 1) : 1;
	if (pacing->duty > FULL_DUTY)
		pacing->duty = 1;
	if (pacing->duty < PACING_LEAST_DUTY)
		pacing->duty = PACING_LEAST_DUTY;
	walks = (double)usage->walk_ns / (double)usage->attached_ns * pacing->duty;
	change_walks(pacing, walks > 0 ? half / walks : MAX_STEP);
}
