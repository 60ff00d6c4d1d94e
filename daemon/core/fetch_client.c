/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/fetch_client.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/core/broker_client.h"
#include "daemon/core/counters.h"
#include "daemon/fetch/fetch_message.h"

/* After a fetcher could not be started at all, try again this much later. */
#define RETRY_MS 10000

struct job {
	TAILQ_ENTRY(job) entry;
	struct fetch_request request;
	fetch_done *done;
	void *context;
};

TAILQ_HEAD(job_list, job);

struct fetch_client {
	struct event_base *base;
	struct broker_client *broker;
	struct counters *counters;
	const char *urls;
	int fd; /* -1: there is no fetcher */
	struct event *readable;
	struct event *timer; /* time-out of the job at hand, end of idling, or a pause */
	struct job *current;
	struct job_list waiting;
	uint32_t waiting_count;
	uint32_t serial;
	int is_starting;
	int is_failing; /* a failure was logged, and nothing has succeeded since */
};

static void send_next(struct fetch_client *client);

static void set_timer(struct fetch_client *client, int ms)
{
	struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(client->timer, &delay);
}

/* Failures come in crowds: the first is a line of the log, the others are counted. */
static void count_failure(struct fetch_client *client, int error)
{
	client->counters->values[COUNTER_FETCHES_FAILED]++;
	if (!client->is_failing)
		log_warn_errno(error, "A debug file could not be fetched; more failures are only "
				      "counted until a fetch succeeds");
	client->is_failing = 1;
}

static void finish(struct fetch_client *client, struct job *job, int error, int fd)
{
	if (error == -ENOENT)
		client->counters->values[COUNTER_FETCHES_MISSING]++;
	else if (error && error != -ECANCELED)
		count_failure(client, error);
	job->done(job->context, error, fd);
	free(job);
}

static void close_fetcher(struct fetch_client *client)
{
	event_free(client->readable);
	client->readable = NULL;
	close(client->fd);
	client->fd = -1;
	event_del(client->timer);
}

/* The fetcher is gone or may not be used any more: fail its job, the next one gets another. */
static void drop_fetcher(struct fetch_client *client, int error)
{
	struct job *job = client->current;

	close_fetcher(client);
	client->current = NULL;
	if (job)
		finish(client, job, error, -1);
	send_next(client);
}

static int is_sound(const struct fetch_reply *reply, ssize_t length, size_t fd_count,
		    const struct job *job)
{
	return length == sizeof(*reply) && job && reply->serial == job->request.serial &&
	       reply->error <= 0 && (reply->error == 0) == (fd_count == 1);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct fetch_client *client = context;
	struct job *job = client->current;
	struct fetch_reply reply;
	int file = -1;
	size_t count = 1;

	(void)what;
	ssize_t length = fd_message_receive(fd, &reply, sizeof(reply), &file, &count);
	if (length == -EAGAIN)
		return;
	if (!is_sound(&reply, length, length < 0 ? 0 : count, job)) {
		if (length >= 0 && count == 1)
			close(file);
		drop_fetcher(client, -EIO);
		return;
	}
	event_del(client->timer);
	client->current = NULL;
	/* Only the client itself cancels. */
	finish(client, job, reply.error == -ECANCELED ? -EIO : reply.error, count == 1 ? file : -1);
	send_next(client);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct fetch_client *client = context;

	(void)fd;
	(void)what;
	if (client->current)
		drop_fetcher(client, -ETIMEDOUT);
	else if (!TAILQ_EMPTY(&client->waiting))
		send_next(client);
	else if (client->fd >= 0)
		close_fetcher(client);
}

static void on_started(void *context, int error, const int *fds, size_t fd_count)
{
	struct fetch_client *client = context;

	if (error == -ECANCELED)
		return;
	client->is_starting = 0;
	if (error || fd_count != 1) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		log_error_errno(error ? error : -EPROTO, "No fetcher could be started");
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

static void start_fetcher(struct fetch_client *client)
{
	struct broker_request request = {.type = BROKER_START_FETCHER};

	client->is_starting = 1;
	broker_client_send(client->broker, &request, on_started, client);
}

static void send_next(struct fetch_client *client)
{
	if (client->current || client->is_starting)
		return;
	if (TAILQ_EMPTY(&client->waiting)) {
		if (client->fd >= 0)
			set_timer(client, FETCH_CLIENT_IDLE_MS);
		return;
	}
	if (client->fd < 0) {
		start_fetcher(client);
		return;
	}
	struct job *job = TAILQ_FIRST(&client->waiting);
	TAILQ_REMOVE(&client->waiting, job, entry);
	client->waiting_count--;
	client->current = job;
	int error = fd_message_send(client->fd, &job->request, sizeof(job->request), NULL, 0);
	if (error)
		drop_fetcher(client, error);
	else
		set_timer(client, FETCH_TIMEOUT_MS);
}

struct fetch_client *fetch_client_new(struct event_base *base, struct broker_client *broker,
				      struct counters *counters, const char *urls)
{
	struct fetch_client *client = memory_new(sizeof(*client));

	client->base = base;
	client->broker = broker;
	client->counters = counters;
	client->urls = urls;
	client->fd = -1;
	TAILQ_INIT(&client->waiting);
	client->timer = evtimer_new(base, on_timer, client);
	return client;
}

void fetch_client_free(struct fetch_client *client)
{
	struct job *job;

	if (!client)
		return;
	if (client->current)
		finish(client, client->current, -ECANCELED, -1);
	while ((job = TAILQ_FIRST(&client->waiting))) {
		TAILQ_REMOVE(&client->waiting, job, entry);
		finish(client, job, -ECANCELED, -1);
	}
	if (client->fd >= 0)
		close_fetcher(client);
	event_free(client->timer);
	free(client);
}

int fetch_client_send(struct fetch_client *client, const uint8_t *build_id, size_t length,
		      fetch_done *done, void *context)
{
	if (!client->urls)
		return -EOPNOTSUPP;
	if (length == 0 || length > FETCH_BUILD_ID_MAX)
		return -EINVAL;
	if (client->waiting_count >= FETCH_CLIENT_MAX_JOBS)
		return -EBUSY;
	struct job *job = memory_new(sizeof(*job));
	job->request.serial = ++client->serial;
	job->request.build_id_length = (uint32_t)length;
	memcpy(job->request.build_id, build_id, length);
	job->done = done;
	job->context = context;
	TAILQ_INSERT_TAIL(&client->waiting, job, entry);
	client->waiting_count++;
	client->counters->values[COUNTER_FETCHES_ASKED]++;
	send_next(client);
	return 0;
}

void fetch_client_judge(struct fetch_client *client, int belongs)
{
	if (!belongs) {
		count_failure(client, -EBADMSG);
		return;
	}
	client->counters->values[COUNTER_FETCHES_FOUND]++;
	client->is_failing = 0;
}

/* "https://name:password@host/" without what stands between the slashes and the @. */
static json_t *server_without_user(const char *url, size_t length)
{
	const char *end = url + length;
	const char *host = memmem(url, length, "://", 3);
	const char *at = NULL;

	host = host ? host + 3 : url;
	for (const char *c = host; c < end && *c != '/'; c++)
		at = *c == '@' ? c : at;
	_cleanup_free_ char *text =
		memory_format("%.*s%.*s", (int)(host - url), url, (int)(end - (at ? at + 1 : host)),
			      at ? at + 1 : host);
	json_t *server = json_string(text);
	return server ? server : json_string("?"); /* no UTF-8 */
}

json_t *fetch_client_servers(const struct fetch_client *client)
{
	const char *at = client->urls ? client->urls : "";
	json_t *servers = json_array();

	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");

		json_array_append_new(servers, server_without_user(at, length));
		at += length;
	}
	return servers;
}
