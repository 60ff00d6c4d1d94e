/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/buffer.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/profile.h"
#include "common/profile_json.h"
#include "daemon/core/heap/heap_notes.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/pipeline.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/answer.h"
#include "daemon/core/protocol/handlers.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/sources.h"
#include "daemon/core/targets/watch.h"

struct pending_dump {
	struct request *request;
	struct sources *sources;
	struct answer *answer;
	const struct measure *measure;
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

static void describe_source(const struct sources *sources, const struct measure *measure,
			    struct profile *profile)
{
	char host[256] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = 0;
	const char *cpu_source = sources->hardware_cycles ? "cycles" : "cpu-clock";

	profile->event = profile_string(profile, measure->name);
	profile->source = profile_string(profile, measure->source ? measure->source : cpu_source);
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
	describe_source(dump->sources, dump->measure, profile);
	profile->target = profile_string(profile, dump->target);
	add_notes(profile);
	if (dump->measure->rows >> EVENT_HEAP & 1)
		heap_notes_add(dump->sources->heaps, profile);
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
	answer_cancel(dump->answer);
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

void handle_dump(struct request *request, void *context)
{
	struct sources *sources = context;
	struct target_selector selectors[PROTOCOL_MAX_TARGETS];
	struct question question = {
		.measure = measure_find(request_string(request, "event")),
		.tid = (uint32_t)request_integer(request, "tid"),
		.kernel_frames = handler_may_do_all(request) && request_boolean(request, "kernel"),
		.user_frames = request_boolean(request, "user"),
		.want = (request_boolean(request, "lines") ? SYMBOLIZER_LINES : 0) |
			(request_boolean(request, "inline") ? SYMBOLIZER_INLINED : 0),
		.idle = request_boolean(request, "idle"),
		.waker = request_boolean(request, "waker"),
		.slices = request_boolean(request, "slices"),
		.owner_uid = handler_may_do_all(request) ? TARGET_PRIVILEGED
							 : request_peer(request)->uid,
		.owner_gid = request_peer(request)->gid,
	};
	_cleanup_free_ char *text = NULL;

	if (read_window(request, &question) || read_selectors(request, selectors, &question, &text))
		return;
	struct pending_dump *dump = memory_new(sizeof(*dump));
	dump->request = request;
	dump->sources = sources;
	dump->measure = question.measure;
	dump->target = steal_ptr(&text);
	/* What was measured up to this moment belongs to the answer. */
	sampler_drain(sources->pipeline->sampler);
	watch_look(sources->watch);
	struct answer *answer = answer_start(&sources->question, &question, on_answered, dump);
	if (!answer)
		return; /* answered, and gone */
	dump->answer = answer;
	request_wait(request, on_dump_cancelled, dump);
}
