/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_notes.h"

#include <math.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/profile.h"
#include "daemon/core/heap/heap_table.h"

/* Totals that may be off by less, as a share, are told without a word. */
#define WORTH_TELLING 0.1

#define ERRORS 2 /* standard errors, for 95 % */

/* How a tier records, for people. */
static const char *const meanings[] = {
	[HEAP_TIER_STARTING] = "not recorded yet",
	[HEAP_TIER_FULL] = "recorded one by one (tier full)",
	[HEAP_TIER_PARTIAL] =
		"recorded one by one, but not what C++ operators return (tier partial)",
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

static void add_sums(struct heap_sums *sums, const struct heap_sums *more)
{
	sums->cost_ns += more->cost_ns;
	sums->base_ns += more->base_ns;
	sums->estimated += more->estimated;
	sums->low += more->low;
	sums->high += more->high;
	sums->variance += more->variance;
}

/* How far what is told may be off as a whole, if that is worth a word. */
static void describe_scale(struct profile *profile, const struct heap_sums *sums)
{
	if (sums->estimated <= 0)
		return;
	double chance = ERRORS * sqrt(sums->variance);
	double low = sums->low - chance;

	profile->scale_low = low > 0 ? low / sums->estimated : 0;
	profile->scale_high = (sums->high + chance) / sums->estimated;
	if (profile->scale_high < 1 + WORTH_TELLING && profile->scale_low > 1 - WORTH_TELLING)
		return;
	_cleanup_free_ char *note = memory_format(
		"the totals are between %.2f and %.2f times what is shown, the shares are as "
		"shown",
		profile->scale_low, profile->scale_high);

	profile_add_note(profile, note);
}

/* allowed_ns: what the budgets would have allowed. */
static void describe_cost(struct profile *profile, const struct heap_sums *sums, double allowed_ns)
{
	if (sums->base_ns <= 0)
		return;
	profile->cost_percent = 100 * sums->cost_ns / sums->base_ns;
	if (!(allowed_ns > 0) || sums->cost_ns <= allowed_ns)
		return;
	_cleanup_free_ char *note =
		memory_format("probes cost %.2f %% in this window, more than the budget of %.2f %%",
			      profile->cost_percent, 100 * allowed_ns / sums->base_ns);

	profile_add_note(profile, note);
}

/* Children that came and went unwatched, in the window. */
static void describe_missed(struct profile *profile, const struct heap_table *heaps,
			    const struct profile_process *known, uint64_t from_ns, uint64_t to_ns)
{
	struct heap_missed missed = heap_table_missed(heaps, known->pid, known->start_time_ns);
	_cleanup_free_ char *note = NULL;

	if (!missed.count || missed.last_ns < from_ns || missed.first_ns > to_ns)
		return;
	note = memory_format("%u child processes of %u ended within a second, before their "
			     "allocations were recorded",
			     missed.count, known->pid);
	profile_add_note(profile, note);
}

void heap_notes_add(const struct heap_table *heaps, struct profile *profile)
{
	uint64_t to_wall_ns = clock_wall_ns() - clock_boot_ns();
	uint64_t from_ns = profile->covered.from_ns - to_wall_ns;
	uint64_t to_ns = profile->covered.to_ns - to_wall_ns;
	struct heap_sums all = {0};
	double allowed_ns = 0;

	for (uint32_t i = 0; i < profile->process_count; i++) {
		const struct profile_process *known = &profile->processes[i];
		const struct heap_process *process =
			heap_table_find(heaps, known->pid, known->start_time_ns);
		if (!process)
			continue;
		add_changes(profile, process);
		describe_missed(profile, heaps, known, from_ns, to_ns);
		struct heap_sums sums =
			heap_ledger_between(heap_process_ledger(process), from_ns, to_ns);
		add_sums(&all, &sums);
		allowed_ns += heap_process_budget_percent(process) / 100 * sums.base_ns;
	}
	describe_cost(profile, &all, allowed_ns);
	describe_scale(profile, &all);
}
