/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/handlers.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/targets/target_table.h"

#define LOOKS_PER_MINUTE 60

/* What one stack of one process holds; the stack is a reference of this. */
struct held {
	struct live_sum sum;
	uint32_t pid;
};

struct pending_leaks {
	struct request *request;
	struct sources *sources;
	struct symbolizer_wait *wait;
	json_t *processes;
	struct held *held;
	size_t count;
	size_t capacity;
	uint64_t now_ns;
};

static void free_leaks(struct pending_leaks *leaks)
{
	for (size_t i = 0; i < leaks->count; i++)
		stack_table_release(leaks->sources->question.stacks, leaks->held[i].sum.stack);
	free(leaks->held);
	json_decref(leaks->processes);
	free(leaks);
}

static double seconds_since(const struct pending_leaks *leaks, uint64_t boot_ns)
{
	return boot_ns && boot_ns < leaks->now_ns
		       ? (double)(leaks->now_ns - boot_ns) / (double)NS_PER_SECOND
		       : 0;
}

/* ---- What is told of a process ---- */

static json_t *unseen_reason(const struct pending_leaks *leaks,
			     const struct heap_evidence *evidence)
{
	if (!evidence->unseen_to_ns)
		return json_sprintf("since %.0f s blocks that C++ operator new gave are not in: to "
				    "see what it returns would cost more than the budget; what "
				    "malloc gave is (a larger --budget shows both)",
				    seconds_since(leaks, evidence->unseen_from_ns));
	return json_sprintf("blocks that C++ operator new gave more than %.0f s ago are not in: to "
			    "see what it returned would have cost more than the budget",
			    seconds_since(leaks, evidence->unseen_to_ns));
}

/* Why the list is not everything that is held, as sentences. */
static json_t *reasons(const struct pending_leaks *leaks, const struct heap_process *process)
{
	const struct heap_evidence *evidence = heap_process_evidence(process);
	json_t *all = json_array();

	if (!evidence->since_ns)
		json_array_append_new(all, json_string("nothing was recorded yet"));
	else
		json_array_append_new(
			all,
			json_sprintf("what was allocated before it was watched, %.0f s ago, is "
				     "not known",
				     seconds_since(leaks, evidence->since_ns)));
	if (evidence->incomplete_ns)
		json_array_append_new(all,
				      json_sprintf("since %.0f s frees were missed: %s",
						   seconds_since(leaks, evidence->incomplete_ns),
						   evidence->reason));
	if (!heap_process_is_known(process))
		json_array_append_new(all,
				      json_string("so there is no list of what is held; dump, svg "
						  "and top show what is allocated"));
	if (evidence->has_unseen)
		json_array_append_new(
			all, json_string("blocks of some C++ operators of its allocator are not "
					 "in: how these return could not be found out"));
	if (evidence->unseen_from_ns)
		json_array_append_new(all, unseen_reason(leaks, evidence));
	if (heap_process_tier(process) == HEAP_TIER_ENDED)
		json_array_append_new(all, json_string(heap_process_is_known(process)
							       ? "the process ended; this is what "
								 "it held"
							       : "the process ended"));
	return all;
}

static json_t *tier_changes(const struct heap_process *process)
{
	const struct heap_change *changes;
	uint32_t count = heap_process_changes(process, &changes);
	uint64_t to_wall_ns = clock_wall_ns() - clock_boot_ns();
	json_t *all = json_array();

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(all,
				      json_pack("{s:f, s:s, s:s}", "time",
						(double)(changes[i].time_ns + to_wall_ns) / 1e9,
						"tier", heap_tier_name(changes[i].tier), "reason",
						changes[i].reason));
	return all;
}

static json_t *describe_process(const struct pending_leaks *leaks,
				const struct heap_process *process)
{
	const struct heap_identity *identity = heap_process_identity(process);
	const struct heap_evidence *evidence = heap_process_evidence(process);
	const struct live_heap *live = heap_process_live(process);
	int is_complete = evidence->since_ns && !evidence->incomplete_ns && !evidence->has_unseen &&
			  !evidence->unseen_from_ns;
	char name[RECORD_NAME_BYTES + 1] = "";

	memcpy(name, identity->name, RECORD_NAME_BYTES);
	return json_pack("{s:I, s:s, s:s, s:b, s:b, s:f, s:I, s:I, s:I, s:o, s:o}", "pid",
			 (json_int_t)identity->pid, "name", name, "tier",
			 heap_tier_name(heap_process_tier(process)), "known",
			 heap_process_is_known(process), "complete", is_complete, "watched_seconds",
			 seconds_since(leaks, evidence->since_ns), "live_bytes",
			 (json_int_t)live_heap_bytes(live), "live_count",
			 (json_int_t)live_heap_count(live), "lost",
			 (json_int_t)heap_process_lost(process), "notes", reasons(leaks, process),
			 "tiers", tier_changes(process));
}

/* ---- What is told of a stack ---- */

/* A leak is old and keeps growing; what is old alone is a cache, if it was looked at long enough. */
static const char *verdict_of(const struct live_sum *sum)
{
	if (!sum->bytes)
		return "young";
	if (!sum->trend.is_rising && sum->trend.growth > 0 &&
	    sum->seen_ns < FLOOR_LEAST * NS_PER_SECOND)
		return "unclear";
	return sum->trend.is_rising ? "leak" : "cache";
}

static json_t *frames_of(const struct pending_leaks *leaks, uint32_t stack)
{
	const struct stack_table *stacks = leaks->sources->question.stacks;
	json_t *frames = json_array();

	for (; stack != STACK_NONE; stack = stack_table_parent(stacks, stack)) {
		struct symbol_name name;

		symbolizer_name(leaks->sources->question.symbolizer,
				stack_table_address(stacks, stack), 0, 0, &name);
		json_array_insert_new(
			frames, 0,
			json_pack("[s, s, s]", name.name, frame_kind_name(name.kind), name.module));
	}
	return frames;
}

static json_t *describe_stack(const struct pending_leaks *leaks, const struct held *held)
{
	const struct live_sum *sum = &held->sum;
	json_t *looks = json_array();

	for (uint32_t i = 0; i < sum->trend.count; i++)
		json_array_append_new(looks, json_integer((json_int_t)sum->trend.floors[i]));
	/* Every block is known, so there is no more to it than that: the error is 0. */
	return json_pack("{s:I, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:o, s:o}", "pid",
			 (json_int_t)held->pid, "verdict", verdict_of(sum), "bytes",
			 (json_int_t)sum->bytes, "count", (json_int_t)sum->count, "all_bytes",
			 (json_int_t)sum->all_bytes, "all_count", (json_int_t)sum->all_count,
			 "error_bytes", 0.0, "growth_per_minute",
			 sum->trend.growth * LOOKS_PER_MINUTE, "oldest_seconds",
			 seconds_since(leaks, sum->oldest_ns), "seen_seconds",
			 (double)sum->seen_ns / (double)NS_PER_SECOND, "floors", looks, "frames",
			 frames_of(leaks, sum->stack));
}

static void on_named(void *context)
{
	struct pending_leaks *leaks = context;
	json_t *stacks = json_array();

	for (size_t i = 0; i < leaks->count; i++)
		json_array_append_new(stacks, describe_stack(leaks, &leaks->held[i]));
	struct request *request = leaks->request;
	json_t *processes = json_incref(leaks->processes);

	free_leaks(leaks);
	request_result(request, json_pack("{s:o, s:o}", "processes", processes, "stacks", stacks));
}

static void on_leaks_cancelled(struct request *request, void *state)
{
	struct pending_leaks *leaks = state;

	(void)request;
	symbolizer_cancel(leaks->wait);
	free_leaks(leaks);
}

/* ---- Which processes ---- */

/* A pid stands for the children that were followed, too. */
static int belongs_to(const struct sources *sources, const struct heap_identity *identity,
		      uint32_t pid)
{
	const struct target *target =
		target_table_by_number(sources->question.targets, identity->target);

	return identity->pid == pid || (target && target->kind == TARGET_PID && target->pid == pid);
}

static int is_selected(const struct request *request, const struct sources *sources,
		       const struct heap_process *process)
{
	const struct heap_identity *identity = heap_process_identity(process);
	size_t count = request_count(request, "targets");
	char name[RECORD_NAME_BYTES + 1] = "";

	memcpy(name, identity->name, RECORD_NAME_BYTES);
	for (size_t i = 0; i < count; i++) {
		struct target_selector selector;

		if (target_selector_parse(request_item(request, "targets", i), &selector))
			continue;
		if (selector.kind == TARGET_ALL ||
		    (selector.kind == TARGET_PID && belongs_to(sources, identity, selector.pid)) ||
		    (selector.kind == TARGET_NAME && !fnmatch(selector.pattern, name, 0)))
			return 1;
	}
	return count == 0;
}

static void add_process(struct pending_leaks *leaks, const struct heap_process *process,
			uint64_t older_ns, size_t limit)
{
	size_t count;
	_cleanup_free_ struct live_sum *sums =
		live_heap_report(heap_process_live(process), leaks->now_ns, older_ns, &count);

	json_array_append_new(leaks->processes, describe_process(leaks, process));
	/* What was held when frees began to be missed says nothing about now. */
	if (!heap_process_is_known(process))
		return;
	for (size_t i = 0; i < count && i < limit; i++) {
		leaks->held = memory_grow(leaks->held, &leaks->capacity, leaks->count + 1,
					  sizeof(*leaks->held));
		stack_table_keep(leaks->sources->question.stacks, sums[i].stack);
		leaks->held[leaks->count++] =
			(struct held){sums[i], heap_process_identity(process)->pid};
	}
}

/* Leaks first, by how fast they grow, then by how much is held. */
static int compare_held(const void *one, const void *other)
{
	const struct live_sum *a = &((const struct held *)one)->sum;
	const struct live_sum *b = &((const struct held *)other)->sum;
	int a_leaks = a->bytes && a->trend.is_rising, b_leaks = b->bytes && b->trend.is_rising;

	if (a_leaks != b_leaks)
		return b_leaks - a_leaks;
	return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

/* The addresses of all stacks, most of them more than once: the symbolizer does not mind. */
static uint64_t *collect_addresses(const struct pending_leaks *leaks, size_t *count)
{
	const struct stack_table *stacks = leaks->sources->question.stacks;
	uint64_t *addresses = NULL;
	size_t capacity = 0;

	*count = 0;
	for (size_t i = 0; i < leaks->count; i++) {
		uint32_t stack = leaks->held[i].sum.stack;

		for (; stack != STACK_NONE; stack = stack_table_parent(stacks, stack)) {
			addresses =
				memory_grow(addresses, &capacity, *count + 1, sizeof(*addresses));
			addresses[(*count)++] = stack_table_address(stacks, stack);
		}
	}
	return addresses;
}

void handle_leaks(struct request *request, void *context)
{
	struct sources *sources = context;
	struct pending_leaks *leaks = memory_new(sizeof(*leaks));
	uint64_t older_ns = (uint64_t)request_integer(request, "older_ms") * NS_PER_MS;
	size_t limit = (size_t)request_integer(request, "limit"), count;

	/* What was freed up to this moment is not held. */
	sampler_drain(sources->pipeline->sampler);
	leaks->request = request;
	leaks->sources = sources;
	leaks->now_ns = clock_boot_ns();
	leaks->processes = json_array();
	for (uint32_t i = 0; i < heap_table_count(sources->heaps); i++) {
		const struct heap_process *process = heap_table_at(sources->heaps, i);

		if (is_selected(request, sources, process) &&
		    access_judge_samples(request_peer(request),
					 heap_process_identity(process)->owner_uid) ==
			    ACCESS_ALLOWED)
			add_process(leaks, process, older_ns, limit);
	}
	if (!json_array_size(leaks->processes)) {
		free_leaks(leaks);
		request_error(request, ERROR_NO_SUCH_TARGET,
			      "no heap of these is watched; attach them with -e heap first");
		return;
	}
	if (leaks->count)
		qsort(leaks->held, leaks->count, sizeof(*leaks->held), compare_held);
	uint64_t *addresses = collect_addresses(leaks, &count);
	struct symbolizer_wait *wait = symbolizer_prepare(sources->question.symbolizer, addresses,
							  count, 0, on_named, leaks);
	if (!wait)
		return; /* answered, and gone */
	leaks->wait = wait;
	request_wait(request, on_leaks_cancelled, leaks);
}
