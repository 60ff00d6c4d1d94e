/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/worker_client.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/workers/broker_client.h"

struct job {
	TAILQ_ENTRY(job) entry;
	uint8_t request[WORKER_REQUEST_BYTES];
	size_t request_bytes;
	uint32_t serial;
	int fds[WORKER_MAX_FDS];
	size_t fd_count;
	worker_done *done;
	void *context;
};

TAILQ_HEAD(job_list, job);

struct worker_client {
	struct event_base *base;
	struct broker_client *broker;
	const struct worker_kind *kind;
	int fd; /* -1: there is no worker */
	struct event *readable;
	struct event *timer; /* time-out of the job at hand, end of idling, or a pause */
	struct job *current;
	struct job_list waiting;
	uint32_t waiting_count;
	uint32_t serial;
	uint32_t restarts;
	int is_starting;
};

static void send_next(struct worker_client *client);

static void set_timer(struct worker_client *client, int ms)
{
	struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(client->timer, &delay);
}

static void finish(struct job *job, int error, int fd)
{
	for (size_t i = 0; i < job->fd_count; i++)
		close(job->fds[i]);
	job->done(job->context, error, fd);
	free(job);
}

static void close_worker(struct worker_client *client)
{
	event_free(client->readable);
	client->readable = NULL;
	close(client->fd);
	client->fd = -1;
	event_del(client->timer);
}

/* The worker is gone or may not be used any more: fail its job, the next one gets another. */
static void drop_worker(struct worker_client *client, int error)
{
	struct job *job = client->current;

	close_worker(client);
	client->current = NULL;
	client->restarts++;
	if (job) {
		log_warn_errno(error, "The %s failed on a job and is replaced", client->kind->name);
		finish(job, error, -1);
	}
	send_next(client);
}

static int is_sound(const struct worker_reply *reply, ssize_t length, size_t fd_count,
		    const struct job *job)
{
	return length == sizeof(*reply) && job && reply->serial == job->serial &&
	       reply->error <= 0 && (reply->error == 0) == (fd_count == 1);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct worker_client *client = context;
	struct job *job = client->current;
	struct worker_reply reply;
	int answer = -1;
	size_t count = 1;

	(void)what;
	ssize_t length = fd_message_receive(fd, &reply, sizeof(reply), &answer, &count);
	if (length == -EAGAIN)
		return;
	if (length < 0)
		count = 0;
	if (!is_sound(&reply, length, count, job)) {
		if (count == 1)
			close(answer);
		drop_worker(client, -EIO);
		return;
	}
	event_del(client->timer);
	client->current = NULL;
	/* Only the client itself cancels. */
	finish(job, reply.error == -ECANCELED ? -EIO : reply.error, count == 1 ? answer : -1);
	send_next(client);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct worker_client *client = context;

	(void)fd;
	(void)what;
	if (client->current)
		drop_worker(client, -ETIMEDOUT);
	else if (!TAILQ_EMPTY(&client->waiting))
		send_next(client);
	else if (client->fd >= 0)
		close_worker(client);
}

static void on_started(void *context, int error, const int *fds, size_t fd_count)
{
	struct worker_client *client = context;

	if (error == -ECANCELED)
		return; /* the client is gone already */
	client->is_starting = 0;
	if (error || fd_count != 1) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		log_error_errno(error ? error : -EPROTO, "No %s could be started",
				client->kind->name);
		set_timer(client, client->kind->retry_ms);
		return;
	}
	client->fd = fds[0];
	evutil_make_socket_nonblocking(client->fd);
	client->readable =
		event_new(client->base, client->fd, EV_READ | EV_PERSIST, on_readable, client);
	event_add(client->readable, NULL);
	send_next(client);
}

static void start_worker(struct worker_client *client)
{
	struct broker_request request = {.type = client->kind->start_request};

	client->is_starting = 1;
	broker_client_send(client->broker, &request, on_started, client);
}

static void send_next(struct worker_client *client)
{
	struct job *job = TAILQ_FIRST(&client->waiting);

	if (client->current || client->is_starting)
		return;
	if (!job) {
		if (client->fd >= 0 && client->kind->idle_ms)
			set_timer(client, client->kind->idle_ms);
		return;
	}
	if (client->fd < 0) {
		start_worker(client);
		return;
	}
	TAILQ_REMOVE(&client->waiting, job, entry);
	client->waiting_count--;
	client->current = job;
	int error = fd_message_send(client->fd, job->request, job->request_bytes, job->fds,
				    job->fd_count);
	if (error)
		drop_worker(client, error);
	else
		set_timer(client, client->kind->timeout_ms);
}

struct worker_client *worker_client_new(struct event_base *base, struct broker_client *broker,
					const struct worker_kind *kind)
{
	struct worker_client *client = memory_new(sizeof(*client));

	client->base = base;
	client->broker = broker;
	client->kind = kind;
	client->fd = -1;
	TAILQ_INIT(&client->waiting);
	client->timer = evtimer_new(base, on_timer, client);
	return client;
}

void worker_client_free(struct worker_client *client)
{
	struct job *job;

	if (!client)
		return;
	if (client->current)
		finish(client->current, -ECANCELED, -1);
	while ((job = TAILQ_FIRST(&client->waiting))) {
		TAILQ_REMOVE(&client->waiting, job, entry);
		finish(job, -ECANCELED, -1);
	}
	if (client->fd >= 0)
		close_worker(client);
	event_free(client->timer);
	free(client);
}

void worker_client_send(struct worker_client *client, const void *request, size_t size,
			const int *fds, size_t fd_count, worker_done *done, void *context)
{
	struct job *job = memory_new(sizeof(*job));

	memcpy(job->request, request, size);
	job->request_bytes = size;
	job->serial = ++client->serial;
	memcpy(job->request + client->kind->serial_offset, &job->serial, sizeof(job->serial));
	for (size_t i = 0; i < fd_count; i++)
		job->fds[i] = fds[i];
	job->fd_count = fd_count;
	job->done = done;
	job->context = context;
	TAILQ_INSERT_TAIL(&client->waiting, job, entry);
	client->waiting_count++;
	send_next(client);
}

uint32_t worker_client_waiting(const struct worker_client *client)
{
	return client->waiting_count;
}

uint32_t worker_client_restarts(const struct worker_client *client)
{
	return client->restarts;
}
