/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/broker_client.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/queue.h>

#include "common/fd_message.h"

struct call {
	TAILQ_ENTRY(call) entry;
	struct broker_request request;
	broker_done *done;
	void *context;
};

TAILQ_HEAD(call_list, call);

struct broker_client {
	int fd;
	struct event *readable;
	void (*on_lost)(void *context);
	void *context;
	uint32_t serial;
	uint32_t in_flight;
	struct call_list sent;
	struct call_list waiting;
};

int broker_client_receive_hello(int fd, struct broker_hello *hello, int *fds)
{
	int received[BROKER_MAX_FDS];
	size_t count = BROKER_MAX_FDS;
	ssize_t length = fd_message_receive(fd, hello, sizeof(*hello), received, &count);

	if (length < 0)
		return (int)length;
	if (length != sizeof(*hello) || hello->reply.type != BROKER_HELLO ||
	    count != (hello->walk == BROKER_WALK_TABLES ? BROKER_FD_COUNT : 0)) {
		for (size_t i = 0; i < count; i++)
			close(received[i]);
		return length == 0 ? -EPIPE : -EPROTO;
	}
	memcpy(fds, received, sizeof(int) * count);
	return 0;
}

static void finish(struct call *call, int error, const int *fds, size_t fd_count)
{
	if (call->done)
		call->done(call->context, error, fds, fd_count);
	else
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
	free(call);
}

static void lose(struct broker_client *client)
{
	struct call *call;

	event_del(client->readable);
	while ((call = TAILQ_FIRST(&client->sent))) {
		TAILQ_REMOVE(&client->sent, call, entry);
		finish(call, -EPIPE, NULL, 0);
	}
	if (client->on_lost)
		client->on_lost(client->context);
}

static void send_waiting(struct broker_client *client)
{
	struct call *call;

	while (client->in_flight < BROKER_CLIENT_IN_FLIGHT &&
	       (call = TAILQ_FIRST(&client->waiting))) {
		TAILQ_REMOVE(&client->waiting, call, entry);
		TAILQ_INSERT_TAIL(&client->sent, call, entry);
		client->in_flight++;
		/* The few requests in flight always fit into the socket's buffer. */
		if (fd_message_send(client->fd, &call->request, sizeof(call->request), NULL, 0)) {
			lose(client);
			return;
		}
	}
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct broker_client *client = context;
	struct broker_reply reply;
	int fds[BROKER_MAX_FDS];
	size_t fd_count = BROKER_MAX_FDS;

	(void)what;
	ssize_t length = fd_message_receive(fd, &reply, sizeof(reply), fds, &fd_count);
	if (length == -EAGAIN)
		return;
	struct call *call = TAILQ_FIRST(&client->sent);
	if (length != sizeof(reply) || !call || call->request.serial != reply.serial) {
		for (size_t i = 0; i < fd_count; i++)
			close(fds[i]);
		lose(client);
		return;
	}
	TAILQ_REMOVE(&client->sent, call, entry);
	client->in_flight--;
	finish(call, reply.error, fds, fd_count);
	send_waiting(client);
}

struct broker_client *broker_client_new(struct event_base *base, int fd,
					void (*on_lost)(void *context), void *context)
{
	struct broker_client *client = memory_new(sizeof(*client));

	client->fd = fd;
	client->on_lost = on_lost;
	client->context = context;
	TAILQ_INIT(&client->sent);
	TAILQ_INIT(&client->waiting);
	evutil_make_socket_nonblocking(fd);
	client->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, client);
	event_add(client->readable, NULL);
	return client;
}

void broker_client_free(struct broker_client *client)
{
	struct call *call;

	if (!client)
		return;
	client->on_lost = NULL;
	while ((call = TAILQ_FIRST(&client->waiting))) {
		TAILQ_REMOVE(&client->waiting, call, entry);
		finish(call, -ECANCELED, NULL, 0);
	}
	while ((call = TAILQ_FIRST(&client->sent))) {
		TAILQ_REMOVE(&client->sent, call, entry);
		finish(call, -ECANCELED, NULL, 0);
	}
	event_free(client->readable);
	close(client->fd);
	free(client);
}

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	struct call *call = memory_new(sizeof(*call));

	call->request = *request;
	call->request.serial = ++client->serial;
	call->done = done;
	call->context = context;
	TAILQ_INSERT_TAIL(&client->waiting, call, entry);
	send_waiting(client);
}

int broker_request_set_path(struct broker_request *request, const char *path, size_t length)
{
	if (length > sizeof(request->path))
		return -ENAMETOOLONG;
	memcpy(request->path, path, length);
	request->path_length = (uint32_t)length;
	return 0;
}
