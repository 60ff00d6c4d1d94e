/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/calibration.h"

/* Buckets that have to be dearer than the budget before it is told: what is new is looked at more. */
#define PATIENCE_BUCKETS 5

/* A look may take this share of the time at most: 1 / LOOK_SHARE. */
#define LOOK_SHARE 300

/* The hooks that each event needs; those that fire often are attached in windows. */
static const struct {
	uint32_t event;
	uint32_t hook;
	int is_frequent;
} hooks[] = {
	{EVENT_OFFCPU, BROKER_HOOK_SWITCH, 1},
	{EVENT_OFFCPU, BROKER_HOOK_EXIT, 0},
	{EVENT_FAULT, BROKER_HOOK_EXIT, 0},
	{EVENT_FAULT, BROKER_HOOK_FAULT, 1},
};

/* What the kernel programs counted up to a moment. */
struct reading {
	uint64_t time_ns;
	uint64_t walk_ns;
};

struct watch {
	struct broker_client *broker;
	struct sampler *sampler;
	struct calibration *calibration;
	watch_look_function *on_look;
	watch_cost_function *on_cost;
	void *context;
	struct event *timer;  /* the end of a bucket */
	struct event *window; /* the moment to attach the hooks in this one */
	uint64_t bucket_ns;
	uint64_t end_ns;    /* of the bucket that timer waits for */
	uint64_t looked_ns; /* when the last look was over */
	uint64_t next_ns;   /* before then none is made unless somebody asks */
	double cpus;        /* that those who are watched used at the last look */
	uint32_t events;    /* wanted */
	int error;          /* why the hooks could not be attached when they were wanted last */
	double budget_percent;
	struct pacing pacing;
	int has_asked_look;
	int has_look; /* it is there */
	int is_attached;
	uint64_t attached_at_ns;
	struct reading last;
	uint64_t *last_switches; /* by CPU */
	uint64_t *last_faults;
	struct pacing_usage usage; /* since last */
	double cost;               /* in the last bucket, as a share of one CPU */
	uint32_t over_buckets;     /* that were dearer than the budget allows, one after another */
};

/* Inside of a window, or outside of it. */
static uint64_t hooks_for(uint32_t events, int is_window)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (events >> hooks[i].event & 1 && (is_window || !hooks[i].is_frequent))
			bits |= UINT64_C(1) << hooks[i].hook;
	return bits;
}

/* ---- Looking ---- */

static void set_event(struct event *event, uint64_t wait_ns)
{
	uint64_t wait_us = wait_ns / 1000 + 1;
	struct timeval interval = {.tv_sec = (time_t)(wait_us / 1000000),
				   .tv_usec = (suseconds_t)(wait_us % 1000000)};

	event_add(event, &interval);
}

/* Wake up just behind the end of the bucket. */
static void set_timer(struct watch *watch)
{
	uint64_t now_ns = clock_boot_ns();

	watch->end_ns = (now_ns / watch->bucket_ns + 1) * watch->bucket_ns;
	set_event(watch->timer, watch->end_ns - now_ns);
}

void watch_look(struct watch *watch)
{
	uint64_t began_ns = clock_boot_ns(), cpu_ns;
	uint64_t used_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (!watch->events || !watch->has_look)
		return;
	cpu_ns = watch->on_look(watch->context);
	watch->usage.look_ns += clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - used_ns;
	/* A look right behind another one says nothing of how much is used. */
	if (began_ns - watch->looked_ns > watch->bucket_ns / 2)
		watch->cpus = (double)cpu_ns / (double)(began_ns - watch->looked_ns);
	watch->looked_ns = clock_boot_ns();
	watch->next_ns = watch->looked_ns + (watch->looked_ns - began_ns) * LOOK_SHARE;
}

/* ---- Attaching for a share of the time ---- */

static void set_hooks(struct watch *watch, int is_attached, broker_done *done, void *context)
{
	struct broker_request request = {.type = BROKER_SET_HOOKS,
					 .value = hooks_for(watch->events, is_attached)};
	uint64_t now_ns = clock_boot_ns();

	if (watch->is_attached)
		watch->usage.attached_ns += now_ns - watch->attached_at_ns;
	watch->is_attached = is_attached;
	watch->attached_at_ns = now_ns;
	broker_client_send(watch->broker, &request, done, context);
}

/* What sleeps now is counted from now on, and all that is seen from now on counts. */
static void begin_counting(struct watch *watch)
{
	watch_look(watch);
	sampler_settings(watch->sampler)->is_unhooked = 0;
	watch->attached_at_ns = clock_boot_ns();
}

/* The hooks are attached, for the window or for good. */
static void on_window_open(void *context, int error, const int *fds, size_t fd_count)
{
	struct watch *watch = context;

	(void)fds;
	(void)fd_count;
	if (error == -ECANCELED)
		return;
	/* It may have been closed in the meantime, by a change of what is wanted. */
	if (error || !watch->is_attached || !watch->events)
		return;
	begin_counting(watch);
	if (watch->pacing.duty < 1)
		set_event(watch->window, (uint64_t)((double)watch->bucket_ns * watch->pacing.duty));
}

/* What was seen up to now counts, nothing that passes from now on does. */
static void close_window(struct watch *watch)
{
	if (!watch->is_attached)
		return;
	if (watch->looked_ns + NS_PER_MS < clock_boot_ns())
		watch_look(watch);
	sampler_settings(watch->sampler)->is_unhooked = 1;
	set_hooks(watch, 0, NULL, NULL);
}

/* The window begins, or is over. */
static void on_window(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;

	(void)fd;
	(void)what;
	if (!watch->events)
		return;
	if (watch->is_attached)
		close_window(watch);
	else
		set_hooks(watch, 1, on_window_open, watch);
}

/* The growth of a counter on each CPU since the last time, added to hits; last is brought up to date. */
static void add_hits(const struct watch *watch, uint32_t counter, uint64_t *last, uint64_t *hits)
{
	uint32_t cpus = sampler_cpu_count(watch->sampler);
	_cleanup_free_ uint64_t *now = memory_new(cpus * sizeof(*now));

	sampler_read_counter_cpus(watch->sampler, counter, now);
	for (uint32_t i = 0; i < cpus; i++)
		hits[i] += now[i] - last[i];
	memcpy(last, now, cpus * sizeof(*now));
}

static void read_hits(struct watch *watch)
{
	uint32_t cpus = sampler_cpu_count(watch->sampler);
	_cleanup_free_ uint64_t *hits = memory_new(cpus * sizeof(*hits));

	add_hits(watch, KERNEL_COUNTER_SWITCHES, watch->last_switches, hits);
	add_hits(watch, KERNEL_COUNTER_FAULTS, watch->last_faults, hits);
	watch->usage.hits = watch->usage.peak = 0;
	for (uint32_t i = 0; i < cpus; i++) {
		watch->usage.hits += hits[i];
		if (hits[i] > watch->usage.peak)
			watch->usage.peak = hits[i];
	}
}

static void read_usage(struct watch *watch)
{
	struct pacing_usage *usage = &watch->usage;
	struct reading now = {
		.time_ns = clock_boot_ns(),
		.walk_ns = sampler_read_counter(watch->sampler, KERNEL_COUNTER_EVENT_COST),
	};

	if (watch->is_attached) {
		usage->attached_ns += now.time_ns - watch->attached_at_ns;
		watch->attached_at_ns = now.time_ns;
	}
	read_hits(watch);
	usage->walk_ns = now.walk_ns - watch->last.walk_ns;
	usage->elapsed_ns = now.time_ns - watch->last.time_ns;
	usage->cpu_ns = (uint64_t)(watch->cpus * (double)usage->elapsed_ns);
	usage->budget_percent = watch->budget_percent;
	usage->share = watch->events >> EVENT_OFFCPU & 1 ? 1 : PACING_FAULT_SHARE;
	usage->hit_ns = calibration_hit_ns(watch->calibration);
	watch->last = now;
}

/* Tell what the bucket that is over has cost. */
static void settle_cost(struct watch *watch)
{
	struct cost cost = pacing_cost(&watch->usage);

	if (!watch->usage.elapsed_ns)
		return;
	watch->cost = (double)cost.spent_ns / (double)watch->usage.elapsed_ns;
	if (cost.allowed_ns && cost.spent_ns > cost.allowed_ns)
		watch->over_buckets++;
	else
		watch->over_buckets = 0;
	log_debug(
		"What watching cost: hits=%llu peak=%llu walk_us=%llu look_us=%llu attached_ms=%llu "
		"elapsed_ms=%llu duty=%.3f",
		(unsigned long long)watch->usage.hits, (unsigned long long)watch->usage.peak,
		(unsigned long long)watch->usage.walk_ns / 1000,
		(unsigned long long)watch->usage.look_ns / 1000,
		(unsigned long long)(watch->usage.attached_ns / NS_PER_MS),
		(unsigned long long)(watch->usage.elapsed_ns / NS_PER_MS), watch->pacing.duty);
	watch->on_cost(watch->context, &watch->usage);
}

static uint32_t as_keep(double share)
{
	return share >= 1 ? UINT32_MAX : (uint32_t)(share * UINT32_MAX);
}

static void apply_pacing(struct watch *watch)
{
	struct sampler_settings *settings = sampler_settings(watch->sampler);

	settings->all_paced_ns = (uint32_t)((double)NS_PER_SECOND / watch->pacing.hz);
	settings->paced_keep = as_keep(watch->pacing.keep);
	settings->duty = as_keep(watch->pacing.duty);
}

/* The end of a bucket: count what lasts, and decide about the next bucket. */
static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;

	(void)fd;
	(void)what;
	/* The loop reckons from the begin of what it did last: set late in that, a timer is early. */
	if (clock_boot_ns() < watch->end_ns) {
		set_timer(watch);
		return;
	}
	/* Before the pacing changes, what was seen has to be counted. */
	if (watch->pacing.duty < 1 || clock_boot_ns() >= watch->next_ns)
		watch_look(watch);
	read_usage(watch);
	settle_cost(watch);
	pacing_adjust(&watch->pacing, &watch->usage);
	watch->usage = (struct pacing_usage){0};
	event_del(watch->window);
	if (watch->pacing.duty < 1) {
		/* What was seen up to now counts as it was seen. */
		close_window(watch);
		apply_pacing(watch);
		set_event(watch->window,
			  (uint64_t)((double)watch->bucket_ns * (1 - watch->pacing.duty) *
				     (double)random() / (double)RAND_MAX));
	} else {
		apply_pacing(watch);
		if (!watch->is_attached)
			set_hooks(watch, 1, on_window_open, watch);
	}
	set_timer(watch);
}

/* ---- What is wanted ---- */

struct watch *watch_new(struct event_base *base, struct broker_client *broker,
			struct sampler *sampler, struct calibration *calibration,
			uint64_t bucket_ns, watch_look_function *on_look,
			watch_cost_function *on_cost, void *context)
{
	struct watch *watch = memory_new(sizeof(*watch));

	watch->broker = broker;
	watch->sampler = sampler;
	watch->calibration = calibration;
	watch->on_look = on_look;
	watch->on_cost = on_cost;
	watch->context = context;
	watch->bucket_ns = bucket_ns;
	watch->timer = event_new(base, -1, 0, on_timer, watch);
	watch->window = event_new(base, -1, 0, on_window, watch);
	watch->last_switches = memory_new(sampler_cpu_count(sampler) * sizeof(uint64_t));
	watch->last_faults = memory_new(sampler_cpu_count(sampler) * sizeof(uint64_t));
	pacing_init(&watch->pacing);
	return watch;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->timer)
		event_free(watch->timer);
	if (watch->window)
		event_free(watch->window);
	free(watch->last_switches);
	free(watch->last_faults);
	free(watch);
}

struct wanting {
	struct watch *watch;
	broker_done *done;
	void *context;
};

/* The hooks are as they should be: those who sleep already are counted from now on. */
static void on_hooked(void *context, int error, const int *fds, size_t fd_count)
{
	struct wanting *wanting = context;

	wanting->watch->error = error;
	if (!error && wanting->watch->events) {
		begin_counting(wanting->watch);
		set_timer(wanting->watch);
		calibration_after(wanting->watch->calibration);
	}
	wanting->done(wanting->context, error, fds, fd_count);
	free(wanting);
}

static void on_look_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct watch *watch = context;

	/* Why not is told by the request that comes behind this one: hooks need the same programs. */
	watch->has_look = !error && fd_count == 1;
	if (watch->has_look)
		sampler_set_look(watch->sampler, fds[0]);
	else if (error != -ECANCELED)
		watch->has_asked_look = 0;
}

/* The programs are loaded when somebody wants them. */
static void need_look(struct watch *watch)
{
	struct broker_request request = {.type = BROKER_OPEN_LOOK};

	if (watch->has_asked_look)
		return;
	watch->has_asked_look = 1;
	broker_client_send(watch->broker, &request, on_look_opened, watch);
}

/* As it is wanted by now. */
static void attach_hooks(void *context)
{
	struct wanting *wanting = context;

	set_hooks(wanting->watch, wanting->watch->events != 0, on_hooked, wanting);
}

void watch_want(struct watch *watch, uint32_t events, broker_done *done, void *context)
{
	struct wanting *wanting = memory_new(sizeof(*wanting));

	/* What was measured so far was measured for those who wanted it then. */
	watch_look(watch);
	event_del(watch->window);
	event_del(watch->timer);
	watch->events = hooks_for(events, 1) ? events : 0;
	pacing_init(&watch->pacing);
	apply_pacing(watch);
	read_usage(watch);
	watch->usage = (struct pacing_usage){0};
	watch->over_buckets = 0;
	if (!watch->events)
		watch->cost = 0;
	*wanting = (struct wanting){watch, done, context};
	if (watch->events)
		need_look(watch);
	if (watch->events >> EVENT_OFFCPU & 1)
		calibration_before(watch->calibration, attach_hooks, wanting);
	else
		attach_hooks(wanting);
}

void watch_set_budget(struct watch *watch, double percent)
{
	watch->budget_percent = percent;
}

const struct pacing *watch_pacing(const struct watch *watch)
{
	return &watch->pacing;
}

double watch_cost(const struct watch *watch)
{
	return watch->cost;
}

int watch_is_over_budget(const struct watch *watch)
{
	return watch->over_buckets >= PATIENCE_BUCKETS;
}

int watch_is_on(const struct watch *watch)
{
	return watch->events != 0;
}

int watch_error(const struct watch *watch)
{
	return watch->error;
}
