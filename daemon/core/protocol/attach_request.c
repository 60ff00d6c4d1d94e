/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "daemon/core/heap/heap_table.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/process_info.h"
#include "daemon/core/protocol/handlers.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/self_usage.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/targets/target_table.h"
#include "daemon/core/targets/watch.h"
#include "daemon/options.h"

/* What the watch (watch.h) is there for. */
#define WATCHED_EVENTS (1U << EVENT_OFFCPU | 1U << EVENT_FAULT)

/* An attach that waits until the kernel samples as it says. */
struct pending_attach {
	struct request *request; /* NULL: the client went away */
	struct sources *sources;
	uint32_t number;
	int is_new;
	int waits_for_heap;
	int waits_for_rate;
	uint32_t unwatched; /* processes of the target whose heap there is no room for */
};

static void on_attach_cancelled(struct request *request, void *state)
{
	struct pending_attach *attach = state;

	(void)request;
	attach->request = NULL;
}

static void answer_attach(struct pending_attach *attach)
{
	struct sources *sources = attach->sources;
	const struct target *target =
		target_table_by_number(sources->question.targets, attach->number);
	struct request *request = attach->request;

	if (attach->waits_for_heap || attach->waits_for_rate)
		return;
	if (request && target) {
		json_t *warnings = json_array();

		if (target->rate_hz > TARGET_RATE_WARNING)
			json_array_append_new(
				warnings,
				json_sprintf(
					"a rate over %d Hz costs the target more than it tells",
					TARGET_RATE_WARNING));
		if (target->events & WATCHED_EVENTS && watch_error(sources->watch))
			json_array_append_new(
				warnings,
				json_sprintf("this kernel does not let flamed watch switches and "
					     "page faults: %s",
					     strerror(-watch_error(sources->watch))));
		if (attach->unwatched)
			json_array_append_new(
				warnings,
				json_sprintf(
					"the heap of %u child processes is not watched: there is "
					"room for %d at a time",
					attach->unwatched, HEAP_CALIBRATION_SLOT));
		request_result(request, json_pack("{s:o, s:b, s:o}", "target",
						  handler_target_to_json(sources, target), "new",
						  attach->is_new, "warnings", warnings));
	} else if (request) {
		request_error(request, ERROR_NO_SUCH_PROCESS, "the process exited meanwhile");
	}
	free(attach);
}

static void on_attached(void *context)
{
	struct pending_attach *attach = context;

	attach->waits_for_rate = 0;
	answer_attach(attach);
}

/* A target that cannot be watched as asked is not attached at all. */
static void refuse_heap(struct pending_attach *attach, int error)
{
	struct target_table *targets = attach->sources->question.targets;
	struct target *target = target_table_by_number(targets, attach->number);
	struct request *request = attach->request;

	if (request && target && error == -ENOENT)
		request_error(request, ERROR_FAILED,
			      "no allocator was found in process %u: nothing that it maps defines "
			      "malloc and free by name (a static program without symbols?); the "
			      "event fault shows where its memory grows",
			      target->pid);
	else if (request && target && error != -ESRCH)
		request_error(request, ERROR_FAILED,
			      "the allocator of process %u cannot be probed: %s", target->pid,
			      strerror(-error));
	else if (request)
		request_error(request, ERROR_NO_SUCH_PROCESS, "the process exited meanwhile");
	attach->request = NULL;
	if (!target)
		return;
	if (attach->is_new)
		target_table_detach(targets, target);
	else
		target->events &= ~(1U << EVENT_HEAP);
}

static void on_heap_watched(void *context, int error)
{
	struct pending_attach *attach = context;

	attach->waits_for_heap = 0;
	if (error)
		refuse_heap(attach, error);
	answer_attach(attach);
}

static void answer_when_applied(struct request *request, struct sources *sources,
				const struct target *target, int is_new,
				const struct heap_subject *heap)
{
	struct pending_attach *attach = memory_new(sizeof(*attach));

	*attach = (struct pending_attach){
		.request = request,
		.sources = sources,
		.number = target->number,
		.is_new = is_new,
		.waits_for_heap = heap != NULL,
		.waits_for_rate = 1,
	};
	request_wait(request, on_attach_cancelled, attach);
	if (heap) {
		int error = heap_table_add(sources->heaps, heap, on_heap_watched, attach);

		if (error)
			on_heap_watched(attach, error);
		else if (target->follows_children)
			attach->unwatched = heap_table_add_family(sources->heaps, heap);
	}
	target_table_when_applied(sources->question.targets, on_attached, attach);
}

static int is_flamed(const struct sources *sources, uint32_t pid)
{
	uint32_t pids[SELF_USAGE_PROCESSES];
	uint32_t count = self_usage_pids(sources->usage, pids);

	for (uint32_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return 1;
	return 0;
}

/* Check the process that is to be attached; answers the request when it cannot be. */
static int check_process(struct request *request, const struct sources *sources, uint32_t pid,
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
	if (is_flamed(sources, pid)) {
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

/* The events as bits, enum record_event. */
static int read_events(struct request *request, const struct sources *sources,
		       const struct target_selector *selector, uint32_t *events)
{
	uint32_t event;

	*events = 0;
	for (size_t i = 0; i < request_count(request, "events"); i++) {
		const char *name = request_item(request, "events", i);

		if (target_event_parse(name, &event)) {
			request_error(request, ERROR_BAD_PARAMETER,
				      "this flamed does not measure %s", name);
			return -EINVAL;
		}
		if (sources->walk == BROKER_WALK_COPIES && event != 1 << EVENT_CPU) {
			request_error(request, ERROR_BAD_PARAMETER,
				      "this flamed runs without BPF and cannot measure %s", name);
			return -EINVAL;
		}
		*events |= event;
	}
	if (request_boolean(request, "waker")) {
		if (!(*events >> EVENT_OFFCPU & 1)) {
			request_error(request, ERROR_BAD_PARAMETER,
				      "who ends sleeps is recorded with the event offcpu");
			return -EINVAL;
		}
		*events |= 1U << EVENT_WAKER;
	}
	if (*events >> EVENT_HEAP & 1 && selector->kind != TARGET_PID) {
		request_error(request, ERROR_BAD_PARAMETER,
			      "the heap is watched process by process: name pids, as in flamectl "
			      "attach $(pidof NAME) -e heap");
		return -EINVAL;
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

void handle_attach(struct request *request, void *context)
{
	struct sources *sources = context;
	struct target_request wanted = {.owner_uid = TARGET_PRIVILEGED,
					.owner_gid = TARGET_PRIVILEGED};
	struct process_info info;
	struct target *target;
	int is_new;

	if (read_selector(request, &wanted.selector) ||
	    read_events(request, sources, &wanted.selector, &wanted.events))
		return;
	if (wanted.selector.kind == TARGET_PID) {
		if (check_process(request, sources, wanted.selector.pid, &info))
			return;
		wanted.start_time_ns = info.start_time_ns;
		wanted.name = info.name;
	}
	if (!handler_may_do_all(request)) {
		wanted.owner_uid = request_peer(request)->uid;
		wanted.owner_gid = request_peer(request)->gid;
	}
	wanted.rate_hz = (uint32_t)request_integer(request, "rate_hz");
	wanted.for_ns = (uint64_t)request_integer(request, "for_ms") * NS_PER_MS;
	wanted.budget_percent = request_has(request, "budget_percent")
					? request_number(request, "budget_percent")
					: sources->options->budget_percent;
	wanted.follows_children = request_boolean(request, "children");
	int error = target_table_attach(sources->question.targets, &wanted, &target, &is_new);
	if (error) {
		explain_attach_error(request, &wanted, error);
		return;
	}
	if (is_new)
		target->lost_before = pipeline_lost(sources->pipeline);
	struct heap_subject heap = {
		.target = target->number,
		.pid = target->pid,
		.start_time_ns = target->start_time_ns,
		.budget_percent = target->budget_percent,
	};
	answer_when_applied(request, sources, target, is_new,
			    wanted.events & 1U << EVENT_HEAP ? &heap : NULL);
}
