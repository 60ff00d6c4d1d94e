/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/answer_cost.h"

#include "common/memory.h"
#include "common/profile.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/protocol/measure.h"

#define BIT(event) (UINT32_C(1) << (event))

static const struct {
	uint32_t events;
	enum cost_kind kind;
} costs[] = {
	{BIT(EVENT_CPU), COST_CPU},
	{BIT(EVENT_OFFCPU) | BIT(EVENT_FAULT), COST_WATCH},
	{BIT(EVENT_HEAP), COST_HEAP},
};

static void tell_excess(struct profile *profile, const struct cost *cost)
{
	double allowed = 100.0 * (double)cost->allowed_ns / (double)cost->base_ns;
	_cleanup_free_ char *note = memory_format(
		"watching cost %.2f %% in this window, more than the budget of %.2f %%",
		cost_percent(cost), allowed);

	profile_add_note(profile, note);
}

static void tell_duty(struct profile *profile, const struct bucket_totals *totals)
{
	_cleanup_free_ char *note = memory_format(
		"so many switches that, to stay in the budget, only %.0f %% of the time "
		"was looked at; totals are exact, stacks are estimates",
		100 * (double)totals->duty);

	profile_add_note(profile, note);
}

void answer_cost_describe(struct profile *profile, const struct measure *measure,
			  const struct bucket_totals *totals)
{
	double percent = 0;
	int is_known = 0;

	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		const struct cost *cost = &totals->costs[costs[i].kind];

		if (!(measure->needs & costs[i].events) || !cost->base_ns)
			continue;
		is_known = 1;
		percent += cost_percent(cost);
		if (cost->allowed_ns && cost->spent_ns > cost->allowed_ns)
			tell_excess(profile, cost);
	}
	if (is_known)
		profile->cost_percent = percent;
	if (measure->is_reconciled && totals->duty > 0)
		tell_duty(profile, totals);
}
