/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/reader_client.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/queue.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/broker_client.h"

/* After a reader could not be started at all, try again this much later. */
#define RETRY_MS 1000

struct job {
	TAILQ_ENTRY(job) entry;
	struct reader_request request;
	int fds[READER_MAX_FDS];
	reader_done *done;
	void *context;
};

TAILQ_HEAD(job_list, job);

struct reader_client {
	struct event_base *base;
	struct broker_client *broker;
	int fd; /* -1: there is no reader */
	struct event *readable;
	struct event *timer; /* time-out of the job at hand, or pause before the next start */
	struct job *current;
	struct job_list waiting;
	uint32_t serial;
	uint32_t restarts;
	int is_starting;
};

static void send_next(struct reader_client *client);

static void set_timer(struct reader_client *client, int ms)
{
	struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(client->timer, &delay);
}

static void finish(struct job *job, int error, int fd)
{
	for (uint32_t i = 0; i < job->request.fd_count; i++)
		close(job->fds[i]);
	if (job->done)
		job->done(job->context, error, fd);
	else if (fd >= 0)
		close(fd);
	free(job);
}

/* The reader is gone or may not be used any more: fail its job and start another. */
static void drop_reader(struct reader_client *client, int error)
{
	struct job *job = client->current;

	event_free(client->readable);
	client->readable = NULL;
	close(client->fd);
	client->fd = -1;
	client->restarts++;
	event_del(client->timer);
	client->current = NULL;
	if (job) {
		log_warn_errno(error, "The elf reader failed on a file and is replaced");
		finish(job, error, -1);
	}
	send_next(client);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct reader_client *client = context;
	struct job *job = client->current;
	struct reader_reply reply;
	int memfd = -1;
	size_t count = 1;

	(void)what;
	ssize_t length = fd_message_receive(fd, &reply, sizeof(reply), &memfd, &count);
	if (length == -EAGAIN)
		return;
	if (length != sizeof(reply) || !job || reply.serial != job->request.serial ||
	    (reply.error == 0) != (count == 1) || reply.error > 0) {
		if (count == 1)
			close(memfd);
		drop_reader(client, -EIO);
		return;
	}
	event_del(client->timer);
	client->current = NULL;
	finish(job, reply.error, count == 1 ? memfd : -1);
	send_next(client);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct reader_client *client = context;

	(void)fd;
	(void)what;
	if (client->current)
		drop_reader(client, -ETIMEDOUT);
	else
		send_next(client);
}

static void on_started(void *context, int error, const int *fds, size_t fd_count)
{
	struct reader_client *client = context;

	if (error == -ECANCELED)
		return; /* the client is gone already */
	client->is_starting = 0;
	if (error || fd_count != 1) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		log_error_errno(error ? error : -EPROTO, "No elf reader could be started");
		set_timer(client, RETRY_MS);
		return;
	}
	client->fd = fds[0];
	evutil_make_socket_nonblocking(client->fd);
	client->readable =
		event_new(client->base, client->fd, EV_READ | EV_PERSIST, on_readable, client);
	event_add(client->readable, NULL);
	send_next(client);
}

static void start_reader(struct reader_client *client)
{
	struct broker_request request = {.type = BROKER_START_READER};

	client->is_starting = 1;
	broker_client_send(client->broker, &request, on_started, client);
}

static void send_next(struct reader_client *client)
{
	if (client->current || client->is_starting || TAILQ_EMPTY(&client->waiting))
		return;
	if (client->fd < 0) {
		start_reader(client);
		return;
	}
	struct job *job = TAILQ_FIRST(&client->waiting);
	TAILQ_REMOVE(&client->waiting, job, entry);
	client->current = job;
	int error = fd_message_send(client->fd, &job->request, sizeof(job->request), job->fds,
				    job->request.fd_count);
	if (error)
		drop_reader(client, error);
	else
		set_timer(client, READER_TIMEOUT_MS);
}

struct reader_client *reader_client_new(struct event_base *base, struct broker_client *broker)
{
	struct reader_client *client = memory_new(sizeof(*client));

	client->base = base;
	client->broker = broker;
	client->fd = -1;
	TAILQ_INIT(&client->waiting);
	client->timer = evtimer_new(base, on_timer, client);
	return client;
}

void reader_client_free(struct reader_client *client)
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
	if (client->readable)
		event_free(client->readable);
	if (client->fd >= 0)
		close(client->fd);
	event_free(client->timer);
	free(client);
}

void reader_client_send(struct reader_client *client, enum reader_request_type type, uint32_t flags,
			const int *fds, size_t fd_count, reader_done *done, void *context)
{
	struct job *job = memory_new(sizeof(*job));

	job->request = (struct reader_request){.type = type,
					       .serial = ++client->serial,
					       .fd_count = (uint32_t)fd_count,
					       .flags = flags};
	for (size_t i = 0; i < fd_count; i++)
		job->fds[i] = fds[i];
	job->done = done;
	job->context = context;
	TAILQ_INSERT_TAIL(&client->waiting, job, entry);
	send_next(client);
}

uint32_t reader_client_restarts(const struct reader_client *client)
{
	return client->restarts;
}
