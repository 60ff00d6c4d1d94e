/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <math.h>

#include "common/clock.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/handlers.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/targets/governor.h"
#include "daemon/core/targets/target_table.h"

static json_t *events_to_json(uint32_t events)
{
	json_t *names = json_array();

	for (uint32_t i = 0; target_event_names[i]; i++)
		if (events >> i & 1)
			json_array_append_new(names, json_string(target_event_names[i]));
	return names;
}

json_t *handler_target_to_json(const struct sources *sources, const struct target *target)
{
	uint64_t age_ns = clock_boot_ns() - target->attached_ns;
	_cleanup_free_ char *text = target_describe(target);
	json_t *json = json_pack(
		"{s:I, s:s, s:s, s:s, s:o, s:I, s:s, s:I, s:I, s:f, s:f, s:b}", "id",
		(json_int_t)target->number, "kind", target_kind_name(target->kind), "target", text,
		"name", target->name, "events", events_to_json(target->events), "rate_hz",
		(json_int_t)target->rate_hz, "state", target_state_name(target->state), "samples",
		(json_int_t)target->samples, "lost",
		(json_int_t)(pipeline_lost(sources->pipeline) - target->lost_before),
		"overhead_percent",
		round(1e3 * governor_overhead_percent(target,
						      pipeline_ns_per_record(sources->pipeline))) /
			1e3,
		"budget_percent", target->budget_percent, "children", target->follows_children);

	json_object_set_new(json, "waker", json_boolean(target->events >> EVENT_WAKER & 1));
	json_object_set_new(json, "asked_hz", json_integer(target->asked_hz));
	json_object_set_new(json, "pid",
			    target->kind == TARGET_PID ? json_integer(target->pid) : json_null());
	json_object_set_new(json, "uid",
			    target->owner_uid == TARGET_PRIVILEGED
				    ? json_integer(0)
				    : json_integer((json_int_t)target->owner_uid));
	json_object_set_new(json, "attached",
			    json_real(floor((double)(clock_wall_ns() - age_ns) / 1e6) / 1e3));
	return json;
}

static void answer_targets(struct request *request, json_t *targets)
{
	request_result(request, json_pack("{s:o}", "targets", targets));
}

/* Targets that a request names; found before any is touched, so that all or none are. */
struct found {
	struct target *targets[PROTOCOL_MAX_TARGETS];
	size_t count;
};

static int find_named(struct request *request, struct sources *sources, const char *text,
		      struct target **found)
{
	struct target_selector selector;
	_cleanup_free_ char *subject = memory_format("target %s", text);

	if (target_selector_parse(text, &selector)) {
		request_error(request, ERROR_BAD_PARAMETER,
			      "%s is no target: a pid, comm:GLOB, cgroup:PATH or all", text);
		return -EINVAL;
	}
	*found = target_table_find(sources->question.targets, &selector);
	if (!*found) {
		request_error(request, ERROR_NO_SUCH_TARGET,
			      "%s is not attached; flamectl list shows what is", text);
		return -ENOENT;
	}
	enum access_rule rule = access_judge_target(request_peer(request), (*found)->owner_uid);
	if (rule != ACCESS_ALLOWED) {
		request_refuse(request, rule, subject);
		return -EPERM;
	}
	return 0;
}

static int find_targets(struct request *request, struct sources *sources, struct found *found)
{
	found->count = 0;
	for (size_t i = 0; i < request_count(request, "targets"); i++) {
		int error = find_named(request, sources, request_item(request, "targets", i),
				       &found->targets[found->count]);

		if (error)
			return error;
		found->count++;
	}
	return 0;
}

/* All that the peer may touch. Owned (free). */
static struct target **find_own_targets(struct request *request, struct sources *sources,
					size_t *count)
{
	struct target_table *table = sources->question.targets;
	struct target **own = memory_new((target_table_count(table) + 1) * sizeof(struct target *));

	*count = 0;
	for (uint32_t i = 0; i < target_table_count(table); i++) {
		struct target *target = target_table_at(table, i);

		if (access_judge_target(request_peer(request), target->owner_uid) == ACCESS_ALLOWED)
			own[(*count)++] = target;
	}
	return own;
}

void handle_detach(struct request *request, void *context)
{
	struct sources *sources = context;
	struct found found;
	json_t *gone = json_array();

	if (find_targets(request, sources, &found)) {
		json_decref(gone);
		return;
	}
	for (size_t i = 0; i < found.count; i++) {
		json_array_append_new(gone, handler_target_to_json(sources, found.targets[i]));
		target_table_detach(sources->question.targets, found.targets[i]);
	}
	heap_table_sync(sources->heaps);
	answer_targets(request, gone);
}

static void pause_targets(struct request *request, struct sources *sources, int is_paused)
{
	_cleanup_free_ struct target **own = NULL;
	struct target **targets;
	struct found found;
	size_t count;
	json_t *touched = json_array();

	if (request_has(request, "targets")) {
		if (find_targets(request, sources, &found)) {
			json_decref(touched);
			return;
		}
		targets = found.targets;
		count = found.count;
	} else {
		targets = own = find_own_targets(request, sources, &count);
	}
	for (size_t i = 0; i < count; i++) {
		target_table_pause(sources->question.targets, targets[i], is_paused);
		json_array_append_new(touched, handler_target_to_json(sources, targets[i]));
	}
	heap_table_sync(sources->heaps);
	answer_targets(request, touched);
}

void handle_stop(struct request *request, void *context)
{
	pause_targets(request, context, 1);
}

void handle_start(struct request *request, void *context)
{
	pause_targets(request, context, 0);
}

void handle_list(struct request *request, void *context)
{
	struct sources *sources = context;
	json_t *list = json_array();
	size_t count;

	sampler_drain(sources->pipeline->sampler);
	_cleanup_free_ struct target **own = find_own_targets(request, sources, &count);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, handler_target_to_json(sources, own[i]));
	answer_targets(request, list);
}
