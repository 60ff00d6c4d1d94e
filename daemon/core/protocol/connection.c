/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "common/log.h"
#include "common/memory.h"
#include "common/protocol.h"
#include "daemon/core/protocol/request.h"
#include "daemon/core/protocol/session.h"

#define HUNG_UP_CHECK_MS 1000

struct connection {
	const struct connection_settings *settings;
	struct session session;
	struct bufferevent *stream;
	struct event *turn; /* there is more to do, after the others had their turn */
	size_t scanned;     /* bytes of the input that hold no newline */
	int hung_up;        /* the client sends nothing more, but may still read */
	int is_closing;     /* send what there is, then close */
};

static struct timeval timeval_of_ms(unsigned int ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

static void wake(struct connection *connection, unsigned int after_ms)
{
	struct timeval delay = timeval_of_ms(after_ms);

	/* A timer, not event_active(): sockets are looked at in between. */
	event_add(connection->turn, &delay);
}

static void on_wake(void *context)
{
	wake(context, 0);
}

const struct access_peer *connection_peer(const struct connection *connection)
{
	return &connection->session.peer;
}

/* --- reading ------------------------------------------------------------------------------ */

static void close_after_sending(struct connection *connection)
{
	connection->is_closing = 1;
	while (connection->session.request_count)
		request_abandon(connection->session.requests[0]);
}

/* Length of the line at the start of the input, or -1: there is no whole one. */
static ssize_t find_line(struct connection *connection, struct evbuffer *input)
{
	struct evbuffer_ptr start;

	if (evbuffer_ptr_set(input, &start, connection->scanned, EVBUFFER_PTR_SET) < 0)
		return -1;
	struct evbuffer_ptr newline = evbuffer_search_eol(input, &start, NULL, EVBUFFER_EOL_LF);
	if (newline.pos < 0)
		connection->scanned = evbuffer_get_length(input);
	return newline.pos;
}

static void take_line(struct connection *connection, struct evbuffer *input, size_t length)
{
	const char *line = (const char *)evbuffer_pullup(input, (ssize_t)length + 1);
	size_t blanks = 0;

	while (blanks < length && strchr(" \t\r", line[blanks]) && line[blanks])
		blanks++;
	/* An empty line means nothing; somebody pressed Enter. */
	if (blanks < length && request_start(&connection->session, line, length) < 0)
		close_after_sending(connection);
	evbuffer_drain(input, length + 1);
	connection->scanned = 0;
}

/* The input holds no whole line: is it the beginning of one? */
static void judge_partial_line(struct connection *connection, struct evbuffer *input)
{
	size_t length = evbuffer_get_length(input);

	if (length > PROTOCOL_MAX_REQUEST_BYTES) {
		request_reject(&connection->session, ERROR_REQUEST_TOO_LONG,
			       "a request is at most 65536 bytes long");
		close_after_sending(connection);
	} else if (length && connection->hung_up) {
		request_reject(&connection->session, ERROR_BAD_REQUEST,
			       "the last line does not end with a newline");
		close_after_sending(connection);
	}
}

static int may_take_line(const struct connection *connection)
{
	return !connection->is_closing && !connection->session.is_dropped &&
	       connection->session.request_count < SESSION_MAX_REQUESTS &&
	       evbuffer_get_length(connection->session.output) < CONNECTION_WRITE_HIGH_BYTES;
}

static void take_lines(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);

	for (int taken = 0; may_take_line(connection); taken++) {
		if (taken == CONNECTION_LINES_PER_TURN) {
			wake(connection, 0);
			return;
		}
		ssize_t length = find_line(connection, input);
		if (length < 0) {
			judge_partial_line(connection, input);
			return;
		}
		take_line(connection, input, (size_t)length);
	}
}

/* --- writing ------------------------------------------------------------------------------ */

/* Continue the streams, a piece each in turn, while the output has room. */
static void feed_streams(struct connection *connection)
{
	struct evbuffer *output = connection->session.output;
	int fed;

	do {
		fed = 0;
		for (size_t i = 0; i < connection->session.request_count;) {
			struct request *request = connection->session.requests[i];

			if (evbuffer_get_length(output) >= CONNECTION_WRITE_LOW_BYTES)
				return;
			if (request_is_stream(request)) {
				request_continue(request);
				fed = 1;
			}
			/* One that has ended has left the array. */
			i += connection->session.requests[i] == request;
		}
	} while (fed);
}

/* --- beginning and end -------------------------------------------------------------------- */

/* The client does not read any more either. */
static int is_gone(struct connection *connection)
{
	struct pollfd socket = {.fd = bufferevent_getfd(connection->stream)};

	return poll(&socket, 1, 0) > 0 && (socket.revents & (POLLHUP | POLLERR));
}

static int has_nothing_left(const struct connection *connection)
{
	return !connection->session.request_count &&
	       !evbuffer_get_length(connection->session.output) &&
	       !evbuffer_get_length(bufferevent_get_input(connection->stream));
}

/* Close the connection if its time has come. The last thing that an event does. */
static void settle(struct connection *connection)
{
	size_t unsent = evbuffer_get_length(connection->session.output);

	if (connection->session.is_dropped || (connection->is_closing && !unsent) ||
	    (connection->hung_up && has_nothing_left(connection)))
		connection_free(connection);
	else if (connection->hung_up && !evtimer_pending(connection->turn, NULL))
		wake(connection, HUNG_UP_CHECK_MS);
}

/*
 * libevent calls on_data() over and over while the input is full, so reading is switched off then
 * until a line has been taken. Below that it stays on, so that a client that leaves is noticed.
 */
static void choose_reading(struct connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->stream);

	if (connection->hung_up || connection->is_closing ||
	    evbuffer_get_length(input) > PROTOCOL_MAX_REQUEST_BYTES)
		bufferevent_disable(connection->stream, EV_READ);
	else
		bufferevent_enable(connection->stream, EV_READ);
}

static void serve(struct connection *connection)
{
	take_lines(connection);
	choose_reading(connection);
	if (!connection->session.is_dropped)
		feed_streams(connection);
	settle(connection);
}

static void on_data(struct bufferevent *stream, void *context)
{
	(void)stream;
	serve(context);
}

static void on_turn(evutil_socket_t fd, short events, void *context)
{
	struct connection *connection = context;

	(void)fd;
	(void)events;
	if (connection->hung_up && is_gone(connection))
		connection->session.is_dropped = 1;
	serve(connection);
}

static void on_idle(struct connection *connection)
{
	/* Whoever waits for an answer or for events is not idle. */
	if (!connection->session.request_count && !evbuffer_get_length(connection->session.output))
		connection->session.is_dropped = 1;
}

static void on_condition(struct bufferevent *stream, short what, void *context)
{
	struct connection *connection = context;

	(void)stream;
	if (what & BEV_EVENT_ERROR)
		connection->session.is_dropped = 1;
	else if (what & BEV_EVENT_EOF)
		connection->hung_up = 1;
	else if ((what & BEV_EVENT_TIMEOUT) && (what & BEV_EVENT_WRITING))
		session_drop(&connection->session);
	else if (what & BEV_EVENT_TIMEOUT)
		on_idle(connection);
	if (connection->hung_up && is_gone(connection))
		connection->session.is_dropped = 1;
	serve(connection);
}

static void greet(struct connection *connection)
{
	session_send(&connection->session,
		     json_pack("{s:{s:s, s:i, s:s, s:I, s:i}}", "flamed", "version", FLAME_VERSION,
			       "protocol", PROTOCOL_VERSION, "level",
			       access_level_name(connection->session.peer.level), "uid",
			       (json_int_t)connection->session.peer.uid, "max_request",
			       PROTOCOL_MAX_REQUEST_BYTES));
}

struct connection *connection_new(const struct connection_settings *settings, int fd,
				  const struct access_peer *peer)
{
	struct connection *connection = memory_new(sizeof(*connection));
	struct timeval idle = timeval_of_ms(settings->idle_ms);
	struct timeval stall = timeval_of_ms(settings->stall_ms);

	connection->settings = settings;
	connection->stream = bufferevent_socket_new(settings->base, fd, BEV_OPT_CLOSE_ON_FREE);
	connection->session = (struct session){
		.peer = *peer,
		.methods = settings->methods,
		.output = bufferevent_get_output(connection->stream),
		.wake = on_wake,
		.context = connection,
	};
	connection->turn = evtimer_new(settings->base, on_turn, connection);
	bufferevent_setcb(connection->stream, on_data, on_data, on_condition, connection);
	/* Reading pauses by itself when one whole line and its newline are there. */
	bufferevent_setwatermark(connection->stream, EV_READ, 0, PROTOCOL_MAX_REQUEST_BYTES + 1);
	bufferevent_setwatermark(connection->stream, EV_WRITE, CONNECTION_WRITE_LOW_BYTES, 0);
	bufferevent_set_timeouts(connection->stream, &idle, &stall);
	greet(connection);
	bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
	return connection;
}

void connection_free(struct connection *connection)
{
	if (!connection)
		return;
	while (connection->session.request_count)
		request_abandon(connection->session.requests[0]);
	if (connection->settings->on_close)
		connection->settings->on_close(connection, connection->settings->context);
	event_free(connection->turn);
	bufferevent_free(connection->stream);
	free(connection);
}
