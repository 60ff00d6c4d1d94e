/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/watch.h"

#include <event2/event.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/sampler.h"

/* A look may take this share of the time at most: 1 / LOOK_SHARE. */
#define LOOK_SHARE 1000

/* Sleeps of a thread that are walked each second, about; who sleeps less often loses none. */
#define WALKS_HZ 100

/* The hook that each event needs. */
static const struct {
	uint32_t event;
	uint32_t hook;
} hooks[] = {
	{EVENT_OFFCPU, BROKER_HOOK_SWITCH},
	{EVENT_FAULT, BROKER_HOOK_FAULT},
};

struct watch {
	struct broker_client *broker;
	struct sampler *sampler;
	void (*on_look)(void *context);
	void *context;
	struct event *timer;
	uint64_t bucket_ns;
	uint64_t look_ns; /* what a look took */
	uint32_t events;  /* wanted */
};

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	watch_look(context);
}

struct watch *watch_new(struct event_base *base, struct broker_client *broker,
			struct sampler *sampler, uint64_t bucket_ns, void (*on_look)(void *context),
			void *context)
{
	struct watch *watch = memory_new(sizeof(*watch));

	watch->broker = broker;
	watch->sampler = sampler;
	watch->on_look = on_look;
	watch->context = context;
	watch->bucket_ns = bucket_ns;
	watch->timer = event_new(base, -1, 0, on_timer, watch);
	return watch;
}

void watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->timer)
		event_free(watch->timer);
	free(watch);
}

/* Wake up just behind the end of a bucket, in one of the next ones if looks take long. */
static void set_timer(struct watch *watch)
{
	uint64_t now_ns = clock_boot_ns();
	uint64_t pause_ns = watch->look_ns * LOOK_SHARE;
	uint64_t at_ns = ((now_ns + pause_ns) / watch->bucket_ns + 1) * watch->bucket_ns;
	uint64_t wait_us = (at_ns - now_ns) / 1000 + 1;
	struct timeval interval = {.tv_sec = (time_t)(wait_us / 1000000),
				   .tv_usec = (suseconds_t)(wait_us % 1000000)};

	event_add(watch->timer, &interval);
}

void watch_look(struct watch *watch)
{
	uint64_t began_ns = clock_boot_ns();

	if (!watch->events)
		return;
	watch->on_look(watch->context);
	watch->look_ns = clock_boot_ns() - began_ns;
	set_timer(watch);
}

static uint64_t hooks_for(uint32_t events)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
		if (events >> hooks[i].event & 1)
			bits |= UINT64_C(1) << hooks[i].hook;
	return bits;
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

	if (!error)
		watch_look(wanting->watch);
	wanting->done(wanting->context, error, fds, fd_count);
	free(wanting);
}

void watch_want(struct watch *watch, uint32_t events, broker_done *done, void *context)
{
	struct broker_request request = {.type = BROKER_SET_HOOKS, .value = hooks_for(events)};
	struct wanting *wanting = memory_new(sizeof(*wanting));
	struct sampler_settings *settings = sampler_settings(watch->sampler);

	settings->all_paced_ns = (uint32_t)(NS_PER_SECOND / WALKS_HZ);
	settings->paced_keep = UINT32_MAX;
	settings->duty = UINT32_MAX;
	/* What was measured so far was measured for those who wanted it then. */
	if (watch->events)
		watch_look(watch);
	watch->events = request.value ? events : 0;
	if (!watch->events)
		event_del(watch->timer);
	*wanting = (struct wanting){watch, done, context};
	broker_client_send(watch->broker, &request, on_hooked, wanting);
}
