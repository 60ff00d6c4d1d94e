/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/requests.h"

#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/handlers.h"
#include "daemon/core/protocol/measure.h"
#include "daemon/core/protocol/method.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/protocol/status.h"
#include "daemon/core/targets/target_table.h"

#define MAX_SUBSCRIPTIONS 64

/* Handlers get the address of the sources, which come first so that this file's find the rest. */
struct requests {
	struct sources sources;
	struct method_table *methods;
	struct request *subscriptions[MAX_SUBSCRIPTIONS];
	uint32_t subscription_count;
};

int handler_may_do_all(const struct request *request)
{
	return request_peer(request)->level == ACCESS_LEVEL_ALL;
}

static void handle_status(struct request *request, void *context)
{
	const struct sources *sources = context;

	request_result(request, status_to_json(sources));
}

/* ---- subscribe ---- */

static void on_subscription_over(struct request *request, void *state)
{
	struct requests *requests = state;

	for (uint32_t i = 0; i < requests->subscription_count; i++) {
		if (requests->subscriptions[i] != request)
			continue;
		requests->subscriptions[i] =
			requests->subscriptions[--requests->subscription_count];
		return;
	}
}

static void handle_subscribe(struct request *request, void *context)
{
	struct requests *requests = context;

	if (requests->subscription_count == MAX_SUBSCRIPTIONS) {
		request_error(request, ERROR_BUSY, "there are %d subscriptions already",
			      MAX_SUBSCRIPTIONS);
		return;
	}
	requests->subscriptions[requests->subscription_count++] = request;
	request_subscribe(request, json_pack("{s:b}", "subscribed", 1), on_subscription_over,
			  requests);
}

static void on_target_change(void *context, const struct target *target, enum target_change change)
{
	const struct requests *requests = context;

	for (uint32_t i = 0; i < requests->subscription_count; i++) {
		struct request *subscriber = requests->subscriptions[i];

		if (access_judge_target(request_peer(subscriber), target->owner_uid) !=
		    ACCESS_ALLOWED)
			continue;
		request_event(subscriber,
			      json_pack("{s:s, s:s, s:o}", "type", "target", "change",
					target_change_name(change), "target",
					handler_target_to_json(&requests->sources, target)));
	}
}

/* ---- The table ---- */

static const char *const subscription_words[] = {"targets", NULL};

static const struct parameter attach_parameters[] = {
	{.name = "pid",
	 .type = PARAMETER_INTEGER,
	 .summary = "process to profile",
	 .minimum = 1,
	 .maximum = INT32_MAX},
	{.name = "comm",
	 .type = PARAMETER_STRING,
	 .summary = "glob that process names match",
	 .level = ACCESS_LEVEL_ALL,
	 .minimum = 1,
	 .maximum = PROTOCOL_MAX_TARGET_BYTES},
	{.name = "cgroup",
	 .type = PARAMETER_STRING,
	 .summary = "cgroup whose processes, and those of all below, are profiled",
	 .level = ACCESS_LEVEL_ALL,
	 .minimum = 1,
	 .maximum = PROTOCOL_MAX_TARGET_BYTES},
	{.name = "all",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "the whole host",
	 .level = ACCESS_LEVEL_ALL},
	{.name = "events",
	 .type = PARAMETER_STRINGS,
	 .summary = "what to measure",
	 .fallback = "[\"cpu\"]",
	 .maximum = PROTOCOL_MAX_TARGET_BYTES,
	 .words = target_event_names,
	 .max_count = 4},
	{.name = "rate_hz",
	 .type = PARAMETER_INTEGER,
	 .summary = "samples per second on each CPU",
	 .fallback = "99",
	 .minimum = PROTOCOL_MIN_RATE_HZ,
	 .maximum = PROTOCOL_MAX_RATE_HZ},
	{.name = "for_ms",
	 .type = PARAMETER_INTEGER,
	 .summary = "detach by itself after so long; 0: never",
	 .fallback = "0",
	 .minimum = 0,
	 .maximum = PROTOCOL_MAX_DURATION_MS},
	{.name = "budget_percent",
	 .type = PARAMETER_NUMBER,
	 .summary = "what sampling may cost, of the target's CPU",
	 .minimum = 0,
	 .maximum = 100},
	{.name = "waker",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "record the stacks of those who end sleeps too",
	 .fallback = "false"},
	{.name = "children",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "follow child processes",
	 .fallback = "true"},
};

#define TARGETS_PARAMETER(text, is_required)                                                 \
	{                                                                                    \
		.name = "targets", .type = PARAMETER_STRINGS, .summary = text,               \
		.required = is_required, .minimum = 1, .maximum = PROTOCOL_MAX_TARGET_BYTES, \
		.max_count = PROTOCOL_MAX_TARGETS,                                           \
	}

static const struct parameter detach_parameters[] = {
	TARGETS_PARAMETER("targets to forget", true),
};

static const struct parameter pause_parameters[] = {
	TARGETS_PARAMETER("targets; all that one may touch when missing", false),
};

static const struct parameter dump_parameters[] = {
	TARGETS_PARAMETER("targets; all that one may see when missing", false),
	{.name = "event",
	 .type = PARAMETER_STRING,
	 .summary = "what was measured",
	 .fallback = "\"cpu\"",
	 .maximum = PROTOCOL_MAX_TARGET_BYTES,
	 .words = measure_names},
	{.name = "last_ms",
	 .type = PARAMETER_INTEGER,
	 .summary = "the window: up to now",
	 .fallback = "30000",
	 .minimum = 1,
	 .maximum = PROTOCOL_MAX_DURATION_MS},
	{.name = "from",
	 .type = PARAMETER_NUMBER,
	 .summary = "the window: its start, UNIX seconds",
	 .minimum = 0,
	 .maximum = 9e9},
	{.name = "to",
	 .type = PARAMETER_NUMBER,
	 .summary = "the window: its end, UNIX seconds; now when missing",
	 .minimum = 0,
	 .maximum = 9e9},
	{.name = "tid",
	 .type = PARAMETER_INTEGER,
	 .summary = "one thread only",
	 .minimum = 1,
	 .maximum = INT32_MAX},
	{.name = "kernel",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "frames of the kernel",
	 .fallback = "true"},
	{.name = "user",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "frames of the program",
	 .fallback = "true"},
	{.name = "idle",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "threads that were idle throughout (events that see those)",
	 .fallback = "false"},
	{.name = "waker",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "who ended a sleep, above its stack (offcpu, wall)",
	 .fallback = "false"},
	{.name = "lines",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "source file and line of each frame",
	 .fallback = "false"},
	{.name = "inline",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "frames of inlined functions",
	 .fallback = "false"},
	{.name = "slices",
	 .type = PARAMETER_BOOLEAN,
	 .summary = "tell weights bucket by bucket too",
	 .fallback = "false"},
};

static const struct parameter leak_parameters[] = {
	TARGETS_PARAMETER("targets; all that one may see when missing", false),
	{.name = "older_ms",
	 .type = PARAMETER_INTEGER,
	 .summary = "only blocks that have been held for so long",
	 .fallback = "60000",
	 .minimum = 0,
	 .maximum = PROTOCOL_MAX_DURATION_MS},
	{.name = "limit",
	 .type = PARAMETER_INTEGER,
	 .summary = "most stacks of a process",
	 .fallback = "100",
	 .minimum = 1,
	 .maximum = 10000},
};

static const struct parameter subscribe_parameters[] = {
	{.name = "events",
	 .type = PARAMETER_STRINGS,
	 .summary = "what to be told of",
	 .required = true,
	 .maximum = PROTOCOL_MAX_TARGET_BYTES,
	 .words = subscription_words,
	 .max_count = 1},
};

#define PARAMETERS(table) .parameters = (table), .parameter_count = ARRAY_SIZE(table)

static const struct method methods[] = {
	{.name = "attach",
	 .summary = "profile a process, processes by name, a cgroup or everything",
	 .is_control = true,
	 .handler = handle_attach,
	 PARAMETERS(attach_parameters)},
	{.name = "detach",
	 .summary = "forget targets; what was recorded stays until it ages out",
	 .is_control = true,
	 .handler = handle_detach,
	 PARAMETERS(detach_parameters)},
	{.name = "stop",
	 .summary = "pause sampling",
	 .is_control = true,
	 .handler = handle_stop,
	 PARAMETERS(pause_parameters)},
	{.name = "start",
	 .summary = "resume sampling",
	 .is_control = true,
	 .handler = handle_start,
	 PARAMETERS(pause_parameters)},
	{.name = "list", .summary = "the targets", .handler = handle_list},
	{.name = "status", .summary = "the daemon itself", .handler = handle_status},
	{.name = "dump",
	 .summary = "what was sampled in a window, as a stream of one profile",
	 .handler = handle_dump,
	 PARAMETERS(dump_parameters)},
	{.name = "leaks",
	 .summary = "what processes hold whose heap is watched, by stack",
	 .handler = handle_leaks,
	 PARAMETERS(leak_parameters)},
	{.name = "subscribe",
	 .summary = "be told of changes as they happen",
	 .handler = handle_subscribe,
	 PARAMETERS(subscribe_parameters)},
};

struct requests *requests_new(const struct sources *sources)
{
	struct requests *requests = memory_new(sizeof(*requests));

	requests->sources = *sources;
	requests->methods = request_methods_new(methods, ARRAY_SIZE(methods), requests);
	target_table_watch(sources->question.targets, on_target_change, requests);
	return requests;
}

void requests_free(struct requests *requests)
{
	if (!requests)
		return;
	method_table_free(requests->methods);
	free(requests);
}

const struct method_table *requests_methods(const struct requests *requests)
{
	return requests->methods;
}
