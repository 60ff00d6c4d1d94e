/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/prober_client.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "common/fd_message.h"

struct call {
	uint32_t serial;
	prober_done *done;
	void *context;
};

struct prober_client {
	int fd;
	struct event *readable;
	void (*on_lost)(void *context);
	void *context;
	uint32_t serial;
	struct call calls[PROBER_CLIENT_QUEUE]; /* oldest first */
	uint32_t call_count;
};

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct prober_client *client = context;
	struct prober_reply reply;
	size_t fd_count = 0;
	ssize_t length = fd_message_receive(fd, &reply, sizeof(reply), NULL, &fd_count);

	(void)what;
	if (length == -EAGAIN)
		return;
	if (length != sizeof(reply) || !client->call_count ||
	    client->calls[0].serial != reply.serial) {
		event_del(client->readable);
		client->on_lost(client->context);
		return;
	}
	struct call call = client->calls[0];
	client->call_count--;
	memmove(client->calls, client->calls + 1, client->call_count * sizeof(call));
	/* The callback may free the client. */
	if (call.done)
		call.done(call.context, reply.error, &reply);
}

struct prober_client *prober_client_new(struct event_base *base, int fd,
					void (*on_lost)(void *context), void *context)
{
	struct prober_client *client = memory_new(sizeof(*client));

	client->fd = fd;
	client->on_lost = on_lost;
	client->context = context;
	evutil_make_socket_nonblocking(fd);
	client->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, client);
	event_add(client->readable, NULL);
	return client;
}

void prober_client_free(struct prober_client *client)
{
	if (!client)
		return;
	event_free(client->readable);
	close(client->fd);
	free(client);
}

int prober_client_send(struct prober_client *client, const struct prober_request *request, int fd,
		       prober_done *done, void *context)
{
	struct prober_request copy = *request;
	int error;

	if (client->call_count == PROBER_CLIENT_QUEUE)
		return -EBUSY;
	copy.serial = ++client->serial;
	error = fd_message_send(client->fd, &copy, sizeof(copy), &fd, fd >= 0);
	if (error)
		return error;
	client->calls[client->call_count++] = (struct call){copy.serial, done, context};
	return 0;
}

void prober_client_forget(struct prober_client *client, const void *context)
{
	for (uint32_t i = 0; i < client->call_count; i++)
		if (client->calls[i].context == context)
			client->calls[i].done = NULL;
}
