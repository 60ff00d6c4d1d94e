/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/calibration.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/broker/yardstick_message.h"
#include "daemon/core/targets/pacing.h"
#include "daemon/core/workers/broker_client.h"

#define CPU_MS      20  /* to spend on each of the two measurements, */
#define WALL_MS     300 /* or this, where others want the CPU too */
#define PATIENCE_MS 2000

enum stage {
	NOTHING_YET,
	BEFORE,   /* being measured */
	BETWEEN,  /* the hooks are being attached */
	AFTER,    /* being measured */
	FINISHED, /* for good, with or without a result */
};

struct calibration {
	struct event_base *base;
	struct broker_client *broker;
	struct event *readable; /* the yardstick's answer; NULL: there is no yardstick */
	int socket;
	enum stage stage;
	double before_ns;
	double hit_ns;
	int is_measured;
	void (*done)(void *context); /* NULL: nobody waits */
	void *context;
};

struct calibration *calibration_new(struct event_base *base, struct broker_client *broker)
{
	struct calibration *calibration = memory_new(sizeof(*calibration));

	calibration->base = base;
	calibration->broker = broker;
	calibration->socket = -1;
	calibration->hit_ns = PACING_HIT_NS;
	return calibration;
}

/* The yardstick ends when its socket is closed. */
static void close_yardstick(struct calibration *calibration)
{
	if (calibration->readable)
		event_free(calibration->readable);
	calibration->readable = NULL;
	if (calibration->socket >= 0)
		close(calibration->socket);
	calibration->socket = -1;
}

void calibration_free(struct calibration *calibration)
{
	if (!calibration)
		return;
	close_yardstick(calibration);
	free(calibration);
}

static void go_on(struct calibration *calibration)
{
	void (*done)(void *context) = calibration->done;

	calibration->done = NULL;
	if (done)
		done(calibration->context);
}

/* Without a result: constants stand in. */
static void give_up(struct calibration *calibration, int error)
{
	log_info("What a switch costs cannot be measured; a constant stands in: %s",
		 strerror(-error));
	calibration->stage = FINISHED;
	close_yardstick(calibration);
	go_on(calibration);
}

static void ask(struct calibration *calibration)
{
	const struct yardstick_request request = {.cpu_ms = CPU_MS, .wall_ms = WALL_MS};
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000,
					 .tv_usec = PATIENCE_MS % 1000 * 1000};
	int error = fd_message_send(calibration->socket, &request, sizeof(request), NULL, 0);

	if (error)
		give_up(calibration, error);
	else
		event_add(calibration->readable, &patience);
}

double calibration_compare(double before_ns, double after_ns)
{
	double hit_ns = after_ns - before_ns;

	return before_ns > 0 && hit_ns >= CALIBRATION_LEAST_NS && hit_ns <= CALIBRATION_MOST_NS
		       ? hit_ns
		       : 0;
}

static void finish(struct calibration *calibration, double after_ns)
{
	double hit_ns = calibration_compare(calibration->before_ns, after_ns);

	calibration->stage = FINISHED;
	close_yardstick(calibration);
	calibration->is_measured = hit_ns > 0;
	if (calibration->is_measured)
		calibration->hit_ns = hit_ns;
	log_info("What a switch costs was measured: before_ns=%.0f after_ns=%.0f hit_ns=%.0f",
		 calibration->before_ns, after_ns, calibration->hit_ns);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct calibration *calibration = context;
	struct yardstick_reply reply;
	size_t fd_count = 0;
	ssize_t length;

	if (what & EV_TIMEOUT) {
		give_up(calibration, -ETIMEDOUT);
		return;
	}
	length = fd_message_receive(fd, &reply, sizeof(reply), NULL, &fd_count);
	if (length != sizeof(reply) || reply.error) {
		give_up(calibration, length == sizeof(reply) ? reply.error : -EIO);
		return;
	}
	if (calibration->stage == AFTER) {
		finish(calibration, reply.switch_ns);
		return;
	}
	calibration->before_ns = reply.switch_ns;
	calibration->stage = BETWEEN;
	go_on(calibration);
}

static void on_started(void *context, int error, const int *fds, size_t fd_count)
{
	struct calibration *calibration = context;

	if (error == -ECANCELED)
		return;
	if (error || fd_count != 1) {
		give_up(calibration, error ? error : -EPROTO);
		return;
	}
	calibration->socket = fds[0];
	calibration->readable =
		event_new(calibration->base, fds[0], EV_READ, on_readable, calibration);
	ask(calibration);
}

void calibration_before(struct calibration *calibration, void (*done)(void *context), void *context)
{
	struct broker_request request = {.type = BROKER_START_YARDSTICK};

	if (calibration->stage != NOTHING_YET) {
		done(context);
		return;
	}
	calibration->stage = BEFORE;
	calibration->done = done;
	calibration->context = context;
	broker_client_send(calibration->broker, &request, on_started, calibration);
}

void calibration_after(struct calibration *calibration)
{
	if (calibration->stage != BETWEEN)
		return;
	calibration->stage = AFTER;
	ask(calibration);
}

double calibration_hit_ns(const struct calibration *calibration)
{
	return calibration->hit_ns;
}

int calibration_is_measured(const struct calibration *calibration)
{
	return calibration->is_measured;
}
