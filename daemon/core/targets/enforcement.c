/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/enforcement.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/target.h"
#include "daemon/core/targets/watch.h"
#include "daemon/core/workers/broker_client.h"

#define KEEP_ALL UINT32_MAX

struct waiter {
	void (*done)(void *context);
	void *context;
};

struct enforcement {
	struct sampler *sampler;
	struct broker_client *broker;
	struct watch *watch;
	struct target *const *targets; /* while they are applied */
	uint32_t count;
	uint32_t rate_hz;
	uint32_t events;        /* that the watch was asked for */
	uint32_t rates_pending; /* answers of the broker that are still to come */
	struct waiter *waiters;
	uint32_t waiter_count;
	size_t waiter_capacity;
};

struct enforcement *enforcement_new(struct sampler *sampler, struct broker_client *broker,
				    struct watch *watch)
{
	struct enforcement *enforcement = memory_new(sizeof(*enforcement));

	enforcement->sampler = sampler;
	enforcement->broker = broker;
	enforcement->watch = watch;
	return enforcement;
}

void enforcement_free(struct enforcement *enforcement)
{
	if (!enforcement)
		return;
	free(enforcement->waiters);
	free(enforcement);
}

uint32_t enforcement_rate_hz(const struct enforcement *enforcement)
{
	return enforcement->rate_hz;
}

/* What is wanted of target now. */
static uint32_t events_of(const struct target *target)
{
	return target->state == TARGET_RUNNING ? target->events : 0;
}

static int samples_cpu(const struct target *target)
{
	return (events_of(target) >> EVENT_CPU & 1) != 0;
}

static uint32_t keep_share(const struct enforcement *enforcement, const struct target *target)
{
	if (!samples_cpu(target) || enforcement->rate_hz == 0)
		return 0;
	if (target->rate_hz >= enforcement->rate_hz)
		return KEEP_ALL;
	return (uint32_t)((double)KEEP_ALL * target->rate_hz / enforcement->rate_hz);
}

struct profiled enforcement_profile(const struct enforcement *enforcement,
				    const struct target *target)
{
	return (struct profiled){
		.keep = keep_share(enforcement, target),
		.target = target->number,
		.flags = target->follows_children ? PROFILED_FOLLOW : 0,
		.events = events_of(target),
	};
}

static const struct target *find_number(const struct enforcement *enforcement, uint32_t number)
{
	for (uint32_t i = 0; i < enforcement->count; i++)
		if (enforcement->targets[i]->number == number)
			return enforcement->targets[i];
	return NULL;
}

static void update_process(void *context, uint32_t pid, const struct profiled *profiled)
{
	struct enforcement *enforcement = context;
	const struct target *target = find_number(enforcement, profiled->target);

	if (!target) {
		sampler_remove_process(enforcement->sampler, pid);
		return;
	}
	struct profiled updated = enforcement_profile(enforcement, target);
	updated.start_time_ns = profiled->start_time_ns;
	updated.flags |= profiled->flags & PROFILED_EXITED;
	if (updated.keep != profiled->keep || updated.flags != profiled->flags ||
	    updated.events != profiled->events)
		if (sampler_set_process(enforcement->sampler, pid, &updated))
			log_debug("A process left while its rate changed: pid=%u", pid);
}

static void on_rate_set(void *context, int error, const int *fds, size_t fd_count)
{
	struct enforcement *enforcement = context;

	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	if (error == -ECANCELED)
		return;
	if (error)
		log_error_errno(error, "The events could not be set up");
	if (--enforcement->rates_pending > 0)
		return;
	uint32_t count = enforcement->waiter_count;
	enforcement->waiter_count = 0;
	for (uint32_t i = 0; i < count; i++)
		enforcement->waiters[i].done(enforcement->waiters[i].context);
}

void enforcement_renew_rate(struct enforcement *enforcement)
{
	struct broker_request request = {.type = BROKER_SET_RATE, .value = enforcement->rate_hz};

	enforcement->rates_pending++;
	broker_client_send(enforcement->broker, &request, on_rate_set, enforcement);
}

static void set_events(struct enforcement *enforcement, uint32_t events)
{
	enforcement->events = events;
	enforcement->rates_pending++;
	watch_want(enforcement->watch, events, on_rate_set, enforcement);
}

void enforcement_when_done(struct enforcement *enforcement, void (*done)(void *context),
			   void *context)
{
	if (enforcement->rates_pending == 0) {
		done(context);
		return;
	}
	enforcement->waiters =
		memory_grow(enforcement->waiters, &enforcement->waiter_capacity,
			    enforcement->waiter_count + 1, sizeof(*enforcement->waiters));
	enforcement->waiters[enforcement->waiter_count++] = (struct waiter){done, context};
}

/* What all targets together need. */
struct needs {
	uint32_t rate_hz;
	uint32_t events;
	double budget_percent;
};

static struct needs find_needs(const struct enforcement *enforcement)
{
	struct needs needs = {0};

	for (uint32_t i = 0; i < enforcement->count; i++) {
		const struct target *target = enforcement->targets[i];
		uint32_t wanted = events_of(target);

		needs.events |= wanted;
		/* The hooks are everybody's: who pays for most of them decides. */
		if (wanted & ~(UINT32_C(1) << EVENT_CPU) &&
		    target->budget_percent > needs.budget_percent)
			needs.budget_percent = target->budget_percent;
		if (samples_cpu(target) && target->rate_hz > needs.rate_hz)
			needs.rate_hz = target->rate_hz;
	}
	return needs;
}

/* Fill the sets that are made from targets; the set of processes is made from processes. */
static void fill_sets(struct enforcement *enforcement, struct sampler_settings *settings)
{
	struct profiled all = {0};
	uint32_t names = 0, cgroups = 0;

	for (uint32_t i = 0; i < enforcement->count; i++) {
		const struct target *target = enforcement->targets[i];
		struct profiled profiled = enforcement_profile(enforcement, target);
		int is_wanted = profiled.keep || profiled.events;

		if (target->kind == TARGET_ALL && is_wanted)
			all = profiled;
		if (target->kind == TARGET_NAME && is_wanted)
			names++;
		if (target->kind == TARGET_CGROUP && is_wanted) {
			cgroups++;
			if (sampler_set_cgroup(enforcement->sampler, target->cgroup_id, &profiled))
				log_error("The set of cgroups is full");
		} else if (target->kind == TARGET_CGROUP) {
			sampler_remove_cgroup(enforcement->sampler, target->cgroup_id);
		}
	}
	settings->all = all;
	sampler_clear_names(enforcement->sampler);
	settings->match_names = names;
	settings->match_cgroups = cgroups;
}

void enforcement_apply(struct enforcement *enforcement, struct target *const *targets,
		       uint32_t count)
{
	struct sampler_settings *settings = sampler_settings(enforcement->sampler);

	enforcement->targets = targets;
	enforcement->count = count;

	struct needs needs = find_needs(enforcement);
	int rate_changed = needs.rate_hz != enforcement->rate_hz;

	enforcement->rate_hz = needs.rate_hz;
	settings->interval_ns = needs.rate_hz ? NS_PER_SECOND / needs.rate_hz : 0;
	settings->kernel_stacks = 1;
	fill_sets(enforcement, settings);
	sampler_each_process(enforcement->sampler, update_process, enforcement);
	settings->generation++;
	sampler_set_active(enforcement->sampler, needs.rate_hz > 0 || needs.events);
	if (rate_changed)
		enforcement_renew_rate(enforcement);
	watch_set_budget(enforcement->watch, needs.budget_percent);
	if (needs.events != enforcement->events)
		set_events(enforcement, needs.events);
	enforcement->targets = NULL;
	enforcement->count = 0;
}
