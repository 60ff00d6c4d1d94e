/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/charges.h"

#include "daemon/core/processes/process_table.h"
#include "daemon/core/targets/pacing.h"
#include "daemon/core/targets/target_table.h"

static void add(struct watched *sum, const struct watched *more)
{
	sum->looks += more->looks;
	sum->cpu_ns += more->cpu_ns;
	sum->hits += more->hits;
	sum->walks += more->walks;
}

void charges_add(struct charges *charges, struct target_table *targets, struct process *process,
		 const struct watched *watched)
{
	add(&charges->everybody, watched);
	target_table_select(targets, process);
	for (uint32_t i = 0; i < process->target_count; i++) {
		struct target *target = target_table_by_number(targets, process->targets[i]);

		add(&target->recent, watched);
	}
}

/* The part of an amount that everybody caused together. */
static double part(uint64_t own, uint64_t everybody, uint64_t amount)
{
	return everybody ? (double)amount * (double)own / (double)everybody : 0;
}

void charges_bill(struct target *target, const struct watched *everybody,
		  const struct pacing_usage *usage)
{
	const struct watched *own = &target->recent;
	double attached = (double)usage->attached_ns / (double)usage->elapsed_ns;
	double spent_ns = (double)own->hits * attached * usage->hit_ns +
			  part(own->walks, everybody->walks, usage->walk_ns) +
			  part(own->looks, everybody->looks, usage->look_ns);
	/* Of the same as the budget is. */
	struct pacing_usage alone = {.cpu_ns = own->cpu_ns, .elapsed_ns = usage->elapsed_ns};
	struct cost cost = {.spent_ns = (uint64_t)spent_ns, .base_ns = pacing_cost(&alone).base_ns};

	cost_add(&target->watched, &cost);
}

void charges_settle(struct charges *charges, struct target_table *targets,
		    const struct pacing_usage *usage)
{
	for (uint32_t i = 0; i < target_table_count(targets); i++) {
		struct target *target = target_table_at(targets, i);

		if (target->recent.looks && usage->elapsed_ns)
			charges_bill(target, &charges->everybody, usage);
		target->recent = (struct watched){0};
	}
	charges->everybody = (struct watched){0};
}
