/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_notes.h"

#include "common/clock.h"
#include "common/memory.h"
#include "common/profile.h"
#include "daemon/core/heap/heap_table.h"

/* How a tier records, for people. */
static const char *const meanings[] = {
	[HEAP_TIER_STARTING] = "not recorded yet",
	[HEAP_TIER_FULL] = "recorded one by one (tier full)",
	[HEAP_TIER_DUTY] = "estimated from short windows (tier duty)",
	[HEAP_TIER_STOPPED] = "not recorded (stopped)",
	[HEAP_TIER_ENDED] = "over (the process ended)",
	[HEAP_TIER_FAILED] = "not recorded (failed)",
};

/* The change that was in force at from_ns, or the first one. */
static uint32_t first_change(const struct heap_change *changes, uint32_t count, uint64_t from_ns)
{
	uint32_t first = 0;

	while (first + 1 < count && changes[first + 1].time_ns <= from_ns)
		first++;
	return first;
}

static void add_changes(struct profile *profile, const struct heap_process *process)
{
	uint64_t now_ns = clock_boot_ns(), to_wall_ns = clock_wall_ns() - now_ns;
	const struct heap_change *changes;
	uint32_t count = heap_process_changes(process, &changes);
	uint32_t pid = heap_process_identity(process)->pid;
	uint64_t from_ns = profile->covered.from_ns - to_wall_ns;

	for (uint32_t i = first_change(changes, count, from_ns); i < count; i++) {
		const struct heap_change *change = &changes[i];
		_cleanup_free_ char *note =
			memory_format("allocations of %u since %.0f s: %s: %s", pid,
				      (double)(now_ns - change->time_ns) / (double)NS_PER_SECOND,
				      meanings[change->tier], change->reason);

		if (change->time_ns + to_wall_ns <= profile->covered.to_ns)
			profile_add_note(profile, note);
	}
}

void heap_notes_add(const struct heap_table *heaps, struct profile *profile)
{
	double cost_ns = 0, base_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *known = &profile->processes[i];
		const struct heap_process *process =
			heap_table_find(heaps, known->pid, known->start_time_ns);
		double one_cost_ns, one_base_ns;

		if (!process)
			continue;
		add_changes(profile, process);
		heap_process_spending(process, &one_cost_ns, &one_base_ns);
		cost_ns += one_cost_ns;
		base_ns += one_base_ns;
	}
	if (base_ns > 0)
		profile->cost_percent = 100 * cost_ns / base_ns;
}
