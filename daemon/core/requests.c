/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/requests.h"

#include <errno.h>
#include <event2/buffer.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/profile_json.h"
#include "daemon/core/access.h"
#include "daemon/core/method.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/process_info.h"
#include "daemon/core/request.h"
#include "daemon/core/status.h"
#include "daemon/options.h"

#define MAX_SUBSCRIPTIONS 64

struct requests {
	struct requests_sources sources;
	struct method_table *methods;
	struct request *subscriptions[MAX_SUBSCRIPTIONS];
	uint32_t subscription_count;
};

static int may_do_all(const struct request *request)
{
	return request_peer(request)->level == ACCESS_LEVEL_ALL;
}

/* ---- Targets as JSON ---- */

static double overhead_percent(const struct target *target)
{
	if (target->weight_ns == 0)
		return 0;
	return round(1e5 * (double)target->cost_ns / (double)target->weight_ns) / 1e3;
}

static json_t *target_to_json(const struct requests *requests, const struct target *target)
{
	uint64_t age_ns = clock_boot_ns() - target->attached_ns;
	_cleanup_free_ char *text = target_describe(target);
	json_t *json = json_pack(
		"{s:I, s:s, s:s, s:s, s:[s], s:I, s:s, s:I, s:I, s:f, s:f, s:b}", "id",
		(json_int_t)target->number, "kind", target_kind_name(target->kind), "target", text,
		"name", target->name, "events", "cpu", "rate_hz", (json_int_t)target->rate_hz,
		"state", target_state_name(target->state), "samples", (json_int_t)target->samples,
		"lost",
		(json_int_t)(pipeline_lost(requests->sources.pipeline) - target->lost_before),
		"overhead_percent", overhead_percent(target), "budget_percent",
		target->budget_percent, "children", target->follows_children);

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

/* ---- attach ---- */

/* An attach that waits until the kernel samples as it says. */
struct pending_attach {
	struct request *request; /* NULL: the client went away */
	struct requests *requests;
	uint32_t number;
	int is_new;
};

static void on_attach_cancelled(struct request *request, void *state)
{
	struct pending_attach *attach = state;

	(void)request;
	attach->request = NULL;
}

static void on_attached(void *context)
{
	struct pending_attach *attach = context;
	struct requests *requests = attach->requests;
	const struct target *target =
		target_table_by_number(requests->sources.question.targets, attach->number);
	struct request *request = attach->request;

	if (request && target) {
		json_t *warnings = json_array();

		if (target->rate_hz > TARGET_RATE_WARNING)
			json_array_append_new(
				warnings,
				json_sprintf(
					"a rate over %d Hz costs the target more than it tells",
					TARGET_RATE_WARNING));
		request_result(request, json_pack("{s:o, s:b, s:o}", "target",
						  target_to_json(requests, target), "new",
						  attach->is_new, "warnings", warnings));
	} else if (request) {
		request_error(request, ERROR_NO_SUCH_PROCESS, "the process exited meanwhile");
	}
	free(attach);
}

static void answer_when_applied(struct request *request, struct requests *requests,
				const struct target *target, int is_new)
{
	struct pending_attach *attach = memory_new(sizeof(*attach));

	*attach = (struct pending_attach){request, requests, target->number, is_new};
	request_wait(request, on_attach_cancelled, attach);
	target_table_when_applied(requests->sources.question.targets, on_attached, attach);
}

static int is_flamed(const struct requests *requests, uint32_t pid)
{
	uint32_t pids[SELF_USAGE_PROCESSES];
	uint32_t count = self_usage_pids(requests->sources.usage, pids);

	for (uint32_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return 1;
	return 0;
}

/* Check the process that is to be attached; answers the request when it cannot be. */
static int check_process(struct request *request, const struct requests *requests, uint32_t pid,
			 struct process_info *info)
{
	_cleanup_free_ char *subject = memory_format("process %u", pid);
	struct access_process owner;
	int error = process_info_read(pid, info);

	if (error || info->is_zombie) {
		request_error(request, ERROR_NO_SUCH_PROCESS, "there is no process %u", pid);
		return -ESRCH;
	}
	if (info->is_kernel_thread) {
		request_error(request, ERROR_KERNEL_THREAD,
			      "process %u (%s) is a kernel thread; attach all to see those", pid,
			      info->name);
		return -EINVAL;
	}
	if (is_flamed(requests, pid)) {
		request_error(request, ERROR_IS_FLAMED,
			      "process %u is flamed itself; flamectl status tells what it costs",
			      pid);
		return -EINVAL;
	}
	if (access_process_read((pid_t)pid, &owner)) {
		request_error(request, ERROR_NO_SUCH_PROCESS, "there is no process %u", pid);
		return -ESRCH;
	}
	enum access_rule rule = access_judge_process(request_peer(request), &owner);
	if (rule != ACCESS_ALLOWED) {
		request_refuse(request, rule, subject);
		return -EPERM;
	}
	return 0;
}

/* Exactly one of the ways to name a target has to be given. */
static int read_selector(struct request *request, struct target_selector *selector)
{
	int count = request_has(request, "pid") + request_has(request, "comm") +
		    request_has(request, "cgroup") + request_has(request, "all");

	if (count != 1 || (request_has(request, "all") && !request_boolean(request, "all"))) {
		request_error(
			request, ERROR_BAD_PARAMETER,
			"exactly one of pid, comm, cgroup and all (true) says what to attach");
		return -EINVAL;
	}
	*selector = (struct target_selector){.kind = TARGET_ALL, .pattern = ""};
	if (request_has(request, "pid")) {
		selector->kind = TARGET_PID;
		selector->pid = (uint32_t)request_integer(request, "pid");
	} else if (request_has(request, "comm")) {
		selector->kind = TARGET_NAME;
		selector->pattern = request_string(request, "comm");
	} else if (request_has(request, "cgroup")) {
		selector->kind = TARGET_CGROUP;
		selector->pattern = request_string(request, "cgroup");
	}
	return 0;
}

static int check_events(struct request *request)
{
	for (size_t i = 0; i < request_count(request, "events"); i++) {
		const char *event = request_item(request, "events", i);

		if (strcmp(event, "cpu") != 0) {
			request_error(request, ERROR_BAD_PARAMETER,
				      "this flamed samples cpu only; %s is not there yet", event);
			return -EINVAL;
		}
	}
	return 0;
}

static void explain_attach_error(struct request *request, const struct target_request *wanted,
				 int error)
{
	switch (error) {
	case -ESRCH:
		request_error(request, ERROR_NO_SUCH_PROCESS, "there is no process %u any more",
			      wanted->selector.pid);
		break;
	case -ENOENT:
		request_error(request, ERROR_NO_SUCH_TARGET,
			      "there is no cgroup %s in the unified hierarchy",
			      wanted->selector.pattern);
		break;
	case -ENOTSUP:
		request_error(request, ERROR_FAILED,
			      "no unified cgroup hierarchy is mounted on this machine");
		break;
	case -E2BIG:
		request_error(request, ERROR_BUSY,
			      "there are too many targets or processes; detach some");
		break;
	default:
		request_error(request, ERROR_FAILED, "attaching failed: %s", strerror(-error));
		break;
	}
}

static void handle_attach(struct request *request, void *context)
{
	struct requests *requests = context;
	struct target_request wanted = {.owner_uid = TARGET_PRIVILEGED,
					.owner_gid = TARGET_PRIVILEGED};
	struct process_info info;
	struct target *target;
	int is_new;

	if (read_selector(request, &wanted.selector) || check_events(request))
		return;
	if (wanted.selector.kind == TARGET_PID) {
		if (check_process(request, requests, wanted.selector.pid, &info))
			return;
		wanted.start_time_ns = info.start_time_ns;
		wanted.name = info.name;
	}
	if (!may_do_all(request)) {
		wanted.owner_uid = request_peer(request)->uid;
		wanted.owner_gid = request_peer(request)->gid;
	}
	wanted.events = 1 << EVENT_CPU;
	wanted.rate_hz = (uint32_t)request_integer(request, "rate_hz");
	wanted.for_ns = (uint64_t)request_integer(request, "for_ms") * NS_PER_MS;
	wanted.budget_percent = request_has(request, "budget_percent")
					? request_number(request, "budget_percent")
					: requests->sources.options->budget_percent;
	wanted.follows_children = request_boolean(request, "children");
	int error =
		target_table_attach(requests->sources.question.targets, &wanted, &target, &is_new);
	if (error) {
		explain_attach_error(request, &wanted, error);
		return;
	}
	if (is_new)
		target->lost_before = pipeline_lost(requests->sources.pipeline);
	answer_when_applied(request, requests, target, is_new);
}

/* ---- detach, stop, start, list ---- */

/* Targets that a request names; found before any is touched, so that all or none are. */
struct found {
	struct target *targets[PROTOCOL_MAX_TARGETS];
	size_t count;
};

static int find_named(struct request *request, struct requests *requests, const char *text,
		      struct target **found)
{
	struct target_selector selector;
	_cleanup_free_ char *subject = memory_format("target %s", text);

	if (target_selector_parse(text, &selector)) {
		request_error(request, ERROR_BAD_PARAMETER,
			      "%s is no target: a pid, comm:GLOB, cgroup:PATH or all", text);
		return -EINVAL;
	}
	*found = target_table_find(requests->sources.question.targets, &selector);
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

static int find_targets(struct request *request, struct requests *requests, struct found *found)
{
	found->count = 0;
	for (size_t i = 0; i < request_count(request, "targets"); i++) {
		int error = find_named(request, requests, request_item(request, "targets", i),
				       &found->targets[found->count]);

		if (error)
			return error;
		found->count++;
	}
	return 0;
}

/* All that the peer may touch. Owned (free). */
static struct target **find_own_targets(struct request *request, struct requests *requests,
					size_t *count)
{
	struct target_table *table = requests->sources.question.targets;
	struct target **own = memory_new((target_table_count(table) + 1) * sizeof(struct target *));

	*count = 0;
	for (uint32_t i = 0; i < target_table_count(table); i++) {
		struct target *target = target_table_at(table, i);

		if (access_judge_target(request_peer(request), target->owner_uid) == ACCESS_ALLOWED)
			own[(*count)++] = target;
	}
	return own;
}

static void handle_detach(struct request *request, void *context)
{
	struct requests *requests = context;
	struct found found;
	json_t *gone = json_array();

	if (find_targets(request, requests, &found)) {
		json_decref(gone);
		return;
	}
	for (size_t i = 0; i < found.count; i++) {
		json_array_append_new(gone, target_to_json(requests, found.targets[i]));
		target_table_detach(requests->sources.question.targets, found.targets[i]);
	}
	answer_targets(request, gone);
}

static void pause_targets(struct request *request, struct requests *requests, int is_paused)
{
	_cleanup_free_ struct target **own = NULL;
	struct target **targets;
	struct found found;
	size_t count;
	json_t *touched = json_array();

	if (request_has(request, "targets")) {
		if (find_targets(request, requests, &found)) {
			json_decref(touched);
			return;
		}
		targets = found.targets;
		count = found.count;
	} else {
		targets = own = find_own_targets(request, requests, &count);
	}
	for (size_t i = 0; i < count; i++) {
		target_table_pause(requests->sources.question.targets, targets[i], is_paused);
		json_array_append_new(touched, target_to_json(requests, targets[i]));
	}
	answer_targets(request, touched);
}

static void handle_stop(struct request *request, void *context)
{
	pause_targets(request, context, 1);
}

static void handle_start(struct request *request, void *context)
{
	pause_targets(request, context, 0);
}

static void handle_list(struct request *request, void *context)
{
	struct requests *requests = context;
	json_t *list = json_array();
	size_t count;

	sampler_drain(requests->sources.pipeline->sampler);
	_cleanup_free_ struct target **own = find_own_targets(request, requests, &count);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, target_to_json(requests, own[i]));
	answer_targets(request, list);
}

static void handle_status(struct request *request, void *context)
{
	const struct requests *requests = context;

	request_result(request, status_to_json(&requests->sources));
}

/* ---- dump ---- */

struct pending_dump {
	struct request *request;
	struct requests *requests;
	struct question_answer *answer;
	char *target; /* what was selected, as text */
};

static void free_dump(struct pending_dump *dump)
{
	free(dump->target);
	free(dump);
}

static int write_to_buffer(void *context, const char *bytes, size_t length)
{
	return evbuffer_add(context, bytes, length) ? -ENOMEM : 0;
}

static void describe_source(const struct requests *requests, struct profile *profile)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = 0;
	profile->event = profile_string(profile, "cpu");
	profile->source =
		profile_string(profile, requests->sources.hardware_cycles ? "cycles" : "cpu-clock");
	profile->host = profile_string(profile, host);
	profile->version = profile_string(profile, FLAME_VERSION);
}

static void add_notes(struct profile *profile)
{
	uint64_t bucket_slack_ns = NS_PER_SECOND;

	if (profile->covered.from_ns > profile->asked.from_ns + bucket_slack_ns) {
		_cleanup_free_ char *note = memory_format(
			"the window asked for starts %.0f s before the first sample that is kept",
			(double)(profile->covered.from_ns - profile->asked.from_ns) /
				(double)NS_PER_SECOND);

		profile_add_note(profile, note);
	}
}

static void on_answered(void *context, struct profile *answer, const char *cause)
{
	_cleanup_(profile_freep) struct profile *profile = answer;
	struct pending_dump *dump = context;
	struct request *request = dump->request;

	if (!profile) {
		request_error(request, ERROR_NO_SAMPLES, "no samples: %s", cause);
		free_dump(dump);
		return;
	}
	describe_source(dump->requests, profile);
	profile->target = profile_string(profile, dump->target);
	add_notes(profile);
	free_dump(dump);
	struct evbuffer *content = evbuffer_new();
	if (!content || profile_json_write(profile, write_to_buffer, content)) {
		if (content)
			evbuffer_free(content);
		request_error(request, ERROR_FAILED, "the answer does not fit into memory");
		return;
	}
	request_stream_buffer(request, "application/json", content);
}

static void on_dump_cancelled(struct request *request, void *state)
{
	struct pending_dump *dump = state;

	(void)request;
	question_cancel(dump->answer);
	free_dump(dump);
}

/* Read the window: the last so many ms, or from and to in UNIX seconds. */
static int read_window(struct request *request, struct question *question)
{
	uint64_t now_ns = clock_boot_ns();
	int64_t boot_to_wall_ns = (int64_t)clock_wall_ns() - (int64_t)now_ns;

	if (request_has(request, "last_ms") &&
	    (request_has(request, "from") || request_has(request, "to"))) {
		request_error(request, ERROR_BAD_PARAMETER,
			      "a window is given by last_ms, or by from and to");
		return -EINVAL;
	}
	if (request_has(request, "to") && !request_has(request, "from")) {
		request_error(request, ERROR_BAD_PARAMETER, "to needs a from");
		return -EINVAL;
	}
	question->to_ns = now_ns;
	if (!request_has(request, "from")) {
		uint64_t last_ns = (uint64_t)request_integer(request, "last_ms") * NS_PER_MS;

		question->from_ns = last_ns < now_ns ? now_ns - last_ns : 0;
		return 0;
	}
	double from_ns = request_number(request, "from") * 1e9 - (double)boot_to_wall_ns;
	question->from_ns = from_ns > 0 ? (uint64_t)from_ns : 0;
	if (request_has(request, "to")) {
		double to_ns = request_number(request, "to") * 1e9 - (double)boot_to_wall_ns;

		question->to_ns = to_ns > 0 ? (uint64_t)to_ns : 0;
	}
	return 0;
}

static int read_selectors(struct request *request, struct target_selector *selectors,
			  struct question *question, char **text)
{
	size_t count = request_count(request, "targets");

	*text = memory_format("%s", count ? "" : "all");
	for (size_t i = 0; i < count; i++) {
		const char *item = request_item(request, "targets", i);
		_cleanup_free_ char *before = *text;

		*text = memory_format("%s%s%s", before, i ? " " : "", item);
		if (target_selector_parse(item, &selectors[i])) {
			request_error(request, ERROR_BAD_PARAMETER,
				      "%s is no target: a pid, comm:GLOB, cgroup:PATH or all",
				      item);
			return -EINVAL;
		}
	}
	question->selectors = selectors;
	question->selector_count = (uint32_t)count;
	return 0;
}

static void handle_dump(struct request *request, void *context)
{
	struct requests *requests = context;
	struct target_selector selectors[PROTOCOL_MAX_TARGETS];
	struct question question = {
		.event = EVENT_CPU,
		.tid = (uint32_t)request_integer(request, "tid"),
		.kernel_frames = may_do_all(request) && request_boolean(request, "kernel"),
		.user_frames = request_boolean(request, "user"),
		.owner_uid = may_do_all(request) ? TARGET_PRIVILEGED : request_peer(request)->uid,
		.owner_gid = request_peer(request)->gid,
	};
	_cleanup_free_ char *text = NULL;

	if (strcmp(request_string(request, "event"), "cpu") != 0) {
		request_error(request, ERROR_BAD_PARAMETER,
			      "this flamed samples cpu only; %s is not there yet",
			      request_string(request, "event"));
		return;
	}
	if (read_window(request, &question) || read_selectors(request, selectors, &question, &text))
		return;
	struct pending_dump *dump = memory_new(sizeof(*dump));
	dump->request = request;
	dump->requests = requests;
	dump->target = steal_ptr(&text);
	/* What was sampled up to this moment belongs to the answer. */
	sampler_drain(requests->sources.pipeline->sampler);
	struct question_answer *answer =
		question_ask(&requests->sources.question, &question, on_answered, dump);
	if (!answer)
		return; /* answered, and gone */
	dump->answer = answer;
	request_wait(request, on_dump_cancelled, dump);
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
		request_event(subscriber, json_pack("{s:s, s:s, s:o}", "type", "target", "change",
						    target_change_name(change), "target",
						    target_to_json(requests, target)));
	}
}

/* ---- The table ---- */

static const char *const event_words[] = {"cpu", "offcpu", "heap", "fault", NULL};
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
	 .words = event_words,
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
	 .words = event_words},
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
	{.name = "subscribe",
	 .summary = "be told of changes as they happen",
	 .handler = handle_subscribe,
	 PARAMETERS(subscribe_parameters)},
};

struct requests *requests_new(const struct requests_sources *sources)
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
