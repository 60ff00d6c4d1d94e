/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_meter.h"

#include "common/clock.h"
#include "daemon/core/heap/heap_calibration.h"

void heap_meter_init(struct heap_meter *meter, const struct heap_sources *sources, uint32_t slot,
		     double budget_percent, uint32_t pid)
{
	*meter = (struct heap_meter){
		.sources = sources,
		.slot = slot,
		.budget_percent = budget_percent,
		.costs = sources->calibration->costs,
	};
	if (clock_getcpuclockid((pid_t)pid, &meter->cpu_clock))
		meter->cpu_clock = CLOCK_MONOTONIC;
}

void heap_meter_begin(struct heap_meter *meter, uint64_t now_ns)
{
	heap_maps_read_usage(&meter->sources->maps, meter->slot, &meter->usage);
	meter->looked_ns = now_ns;
	meter->cpu_ns = clock_read_ns(meter->cpu_clock);
	heap_ledger_note(&meter->ledger, now_ns);
}

void heap_meter_set_fuse(const struct heap_meter *meter)
{
	struct heap_slot *slot = &meter->sources->maps.slots[meter->slot];
	struct timespec tick;
	double percent = meter->budget_percent, period_ns;

	/* The coarse clock goes by the kernel's ticks. */
	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	period_ns = (double)((uint64_t)tick.tv_nsec << HEAP_PERIOD_BITS);

	slot->fuse_ns = percent > 0
				? (uint64_t)(HEAP_GOVERNOR_FUSE *
					     heap_governor_budget_ns(percent, period_ns, period_ns))
				: 0;
	slot->allocation_ns = (uint32_t)(meter->costs.pair_ns + meter->costs.walk_ns);
	slot->free_ns = (uint32_t)meter->costs.free_ns;
	slot->dear_ns = (uint32_t)meter->costs.dear_ns;
}

static void subtract_usage(struct heap_usage *usage, const struct heap_usage *before)
{
	usage->hits -= before->hits;
	usage->frees -= before->frees;
	usage->dear -= before->dear;
	usage->sampled -= before->sampled;
	usage->followed -= before->followed;
	usage->leaves -= before->leaves;
}

/* The machine's costs are measured anew now and then; what a walk costs depends on the process. */
static void learn_costs(struct heap_meter *meter)
{
	const struct heap_usage *usage = &meter->usage;
	double walk_ns = meter->costs.walk_ns;

	meter->costs = meter->sources->calibration->costs;
	meter->costs.walk_ns =
		usage->walks_timed ? (double)usage->walk_ns / (double)usage->walks_timed : walk_ns;
}

struct heap_spending heap_meter_look(struct heap_meter *meter, uint64_t now_ns, int is_window)
{
	struct heap_usage before = meter->usage, since;
	uint64_t cpu_ns = clock_read_ns(meter->cpu_clock);

	heap_maps_read_usage(&meter->sources->maps, meter->slot, &meter->usage);
	since = meter->usage;
	subtract_usage(&since, &before);
	learn_costs(meter);
	struct heap_spending spending = {
		.cost_ns = heap_governor_cost_ns(&meter->costs, &since, is_window),
		.leaves_ns = (double)since.leaves * meter->costs.dear_ns,
		.followed_ns = (double)since.followed * meter->costs.dear_ns,
		.cpu_ns = cpu_ns > meter->cpu_ns ? (double)(cpu_ns - meter->cpu_ns) : 0,
		.wall_ns = (double)(now_ns - meter->looked_ns),
	};
	meter->cpu_ns = cpu_ns;
	meter->looked_ns = now_ns;
	meter->ledger.sums.cost_ns += spending.cost_ns;
	meter->ledger.sums.base_ns += heap_governor_base_ns(spending.cpu_ns, spending.wall_ns);
	heap_ledger_note(&meter->ledger, now_ns);
	return spending;
}

int heap_meter_is_over(const struct heap_meter *meter, const struct heap_spending *last,
		       uint64_t since_ns, uint64_t now_ns)
{
	double percent = meter->budget_percent;
	struct heap_sums sums;

	if (heap_governor_is_over(percent * HEAP_METER_FAR_OVER, last))
		return 1;
	if (now_ns - since_ns < HEAP_METER_STRETCH_NS)
		return 0;
	sums = heap_ledger_between(&meter->ledger, now_ns - HEAP_METER_STRETCH_NS, now_ns);
	return percent > 0 && sums.cost_ns > percent / 100 * sums.base_ns;
}
