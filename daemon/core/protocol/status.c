/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/status.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/history/sum_table.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/protocol/self_usage.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/targets/calibration.h"
#include "daemon/core/targets/target_table.h"
#include "daemon/core/targets/watch.h"
#include "daemon/core/workers/fetch_client.h"
#include "daemon/core/workers/worker_client.h"
#include "daemon/options.h"

static json_t *to_json(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static double round_to(double value, double step)
{
	return round(value / step) * step;
}

/* What walking a stack has cost so far, on average. */
static double walk_ns(const struct sampler *sampler)
{
	uint64_t walks = sampler_read_counter(sampler, KERNEL_COUNTER_SLEEPS) +
			 sampler_read_counter(sampler, KERNEL_COUNTER_FAULTS_WALKED) +
			 sampler_read_counter(sampler, KERNEL_COUNTER_WAKERS);

	return walks ? (double)sampler_read_counter(sampler, KERNEL_COUNTER_EVENT_COST) /
			       (double)walks
		     : 0;
}

/* What is in force for switches and page faults, and what looking at them costs. */
static json_t *watching(const struct sources *sources)
{
	const struct pacing *pacing = watch_pacing(sources->watch);

	return json_pack("{s:b, s:f, s:b, s:f, s:f, s:f, s:f, s:I}", "is_on",
			 watch_is_on(sources->watch), "hit_ns",
			 round_to(calibration_hit_ns(sources->calibration), 1), "is_measured",
			 calibration_is_measured(sources->calibration), "walk_ns",
			 round_to(walk_ns(sources->pipeline->sampler), 1), "duty",
			 round_to(pacing->duty, 0.001), "walks_hz",
			 round_to(pacing->hz * pacing->keep, 0.01), "cost_percent",
			 round_to(100 * watch_cost(sources->watch), 0.001), "stacks",
			 (json_int_t)sum_table_count(sources->pipeline->sums));
}

/* What a probe in an allocator costs here, and how that is known. Units: ns. */
static json_t *probing(const struct sources *sources)
{
	const struct heap_calibration *calibration = heap_table_calibration(sources->heaps);
	const struct heap_costs *costs = &calibration->costs;

	return json_pack("{s:b, s:f, s:f, s:f, s:f, s:f}", "measured", calibration->count != 0,
			 "entry_ns", round(costs->entry_ns), "pair_ns", round(costs->pair_ns),
			 "free_ns", round(costs->free_ns), "dear_ns", round(costs->dear_ns),
			 "error", round_to(costs->error, 0.01));
}

static json_t *sampling(const struct sources *sources)
{
	int is_copied = sources->walk == BROKER_WALK_COPIES;

	return json_pack("{s:s, s:I, s:I, s:s, s:s, s:o, s:o}", "event",
			 sources->hardware_cycles ? "cycles" : "cpu-clock", "rate_hz",
			 (json_int_t)target_table_rate_hz(sources->question.targets), "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "walk",
			 is_copied ? "copied stacks" : "unwind tables", "mappings",
			 is_copied                 ? "perf events"
			 : sources->mapping_lookup ? "kernel"
						   : "table",
			 "watch", watching(sources), "probes", probing(sources));
}

static json_t *samples(const struct pipeline_ledger *ledger)
{
	const struct {
		const char *name;
		uint64_t value;
	} losses[] = {
		{"ring_full", ledger->ring_full}, {"throttled", ledger->throttled},
		{"late", ledger->late},           {"malformed", ledger->malformed},
		{"sums_full", ledger->sums_full}, {"in_flight", ledger->in_flight},
	};
	json_t *lost = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(losses); i++)
		json_object_set_new(lost, losses[i].name, to_json(losses[i].value));
	return json_pack("{s:o, s:o, s:o}", "taken", to_json(ledger->taken), "kept",
			 to_json(ledger->kept), "lost", lost);
}

static json_t *memory(const struct sources *sources)
{
	const struct bucket_ring *history = sources->question.history;

	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "history_bytes",
			 to_json(bucket_ring_bytes(history)), "limit_bytes",
			 to_json(bucket_ring_limit_bytes(history)), "rss_bytes",
			 to_json(self_usage_rss_bytes(sources->usage)), "stack_nodes",
			 to_json(stack_table_count(sources->question.stacks)), "modules",
			 to_json(module_table_count(sources->modules, &(uint32_t){0})));
}

static json_t *oldest(const struct sources *sources)
{
	const struct bucket_ring *history = sources->question.history;
	uint64_t age_ns = clock_boot_ns() - bucket_ring_oldest_ns(history);

	if (bucket_ring_held(history) == 0)
		return json_null();
	return json_real((double)(clock_wall_ns() - age_ns) / (double)NS_PER_SECOND);
}

static json_t *counters(const struct sources *sources)
{
	uint64_t kernel[KERNEL_COUNTER_COUNT];
	json_t *all = json_object();
	uint32_t unreadable;

	for (unsigned int i = 0; i < COUNTER_COUNT; i++)
		json_object_set_new(all, counter_name((enum core_counter)i),
				    to_json(sources->pipeline->counters.values[i]));
	sampler_read_counters(sources->pipeline->sampler, kernel);
	for (unsigned int i = 0; i < KERNEL_COUNTER_COUNT; i++)
		json_object_set_new(all, counter_kernel_name(i), to_json(kernel[i]));
	json_object_set_new(all, "modules.seen",
			    to_json(module_table_count(sources->modules, &unreadable)));
	json_object_set_new(all, "modules.unreadable", to_json(unreadable));
	json_object_set_new(all, "readers.replaced",
			    to_json(worker_client_restarts(sources->reader)));
	return all;
}

static json_t *debuginfod(const struct sources *sources)
{
	return json_pack("{s:b, s:o}", "on", sources->options->debuginfod_urls != NULL, "servers",
			 fetch_client_servers(sources->fetch));
}

/* Why stacks are not walked in the kernel, and what that means. */
static json_t *copied_problem(const struct sources *sources)
{
	static const char *const reasons[] = {
		[BROKER_WALK_REFUSED] = "the kernel programs cannot be loaded",
		[BROKER_WALK_UNSAFE] = "this kernel can freeze when kernel programs read stacks",
		[BROKER_WALK_ASKED] = "--copied-stacks was given",
	};
	int has_error = sources->walk_reason == BROKER_WALK_REFUSED;

	return json_sprintf("%s%s%s; perf events copy stacks instead: only cpu is measured, and "
			    "sampling costs more",
			    reasons[sources->walk_reason], has_error ? ": " : "",
			    has_error ? strerror(-sources->walk_error) : "");
}

static json_t *problems(const struct sources *sources, const struct pipeline_ledger *ledger)
{
	json_t *all = json_array();

	if (sources->walk == BROKER_WALK_COPIES)
		json_array_append_new(all, copied_problem(sources));
	else if (!sources->mapping_lookup)
		json_array_append_new(
			all,
			json_string("the kernel's mapping tree could not be read; mappings "
				    "come from /proc and short-lived processes may be missed"));
	if (sources->lacks_kernel)
		json_array_append_new(all, json_string("sampling kernel mode is not permitted: "
						       "time in the kernel is missing"));
	if (ledger->ring_full)
		json_array_append_new(all, json_string("samples were lost because the ring buffer "
						       "was full; a lower rate helps"));
	if (watch_is_over_budget(sources->watch))
		json_array_append_new(
			all, json_sprintf("watching switches and page faults costs %.2f %% of a "
					  "CPU, more than the budget: the host has so many, and "
					  "some are seen in any case",
					  100 * watch_cost(sources->watch)));
	if (bucket_ring_is_short_of_memory(sources->question.history))
		json_array_append_new(all, json_string("the past is shorter than --retention: "
						       "--memory is used up"));
	return all;
}

json_t *status_to_json(const struct sources *sources)
{
	const struct bucket_ring *history = sources->question.history;
	struct pipeline_ledger ledger;

	pipeline_read_ledger(sources->pipeline, &ledger);
	return json_pack(
		"{s:s, s:f, s:I, s:o, s:o, s:o, s:{s:I, s:I, s:I}, s:o, s:f, s:I, s:o, s:o, s:o}",
		"version", FLAME_VERSION, "uptime_seconds",
		round_to((double)(clock_boot_ns() - sources->started_ns) / (double)NS_PER_SECOND,
			 0.001),
		"pid", (json_int_t)sources->usage->broker_pid, "sampling", sampling(sources),
		"samples", samples(&ledger), "oldest", oldest(sources), "buckets", "held",
		(json_int_t)bucket_ring_held(history), "length_ms",
		(json_int_t)(bucket_ring_length_ns(history) / NS_PER_MS), "retention_ms",
		(json_int_t)(bucket_ring_retention_ns(history) / NS_PER_MS), "memory",
		memory(sources), "cpu_percent",
		round_to(self_usage_cpu_percent(sources->usage), 0.001), "targets",
		(json_int_t)target_table_count(sources->question.targets), "debuginfod",
		debuginfod(sources), "counters", counters(sources), "problems",
		problems(sources, &ledger));
}
