/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "daemon/core/protocol/connection.h"
#include "daemon/core/protocol/method.h"
#include "daemon/core/protocol/request.h"
#include "tests/fuzz/target.h"

#define MAX_TURNS 100 /* of the server without anything new to read for the client */

static const char *const words[] = {"cpu", "offcpu", NULL};

static const struct parameter parameters[] = {
	{.name = "pid",
	 .type = PARAMETER_INTEGER,
	 .summary = "",
	 .minimum = 1,
	 .maximum = INT32_MAX},
	{.name = "from", .type = PARAMETER_NUMBER, .summary = "", .minimum = 0, .maximum = 9e9},
	{.name = "kernel", .type = PARAMETER_BOOLEAN, .summary = "", .fallback = "true"},
	{.name = "comm", .type = PARAMETER_STRING, .summary = "", .minimum = 1, .maximum = 64},
	{.name = "events",
	 .type = PARAMETER_STRINGS,
	 .summary = "",
	 .words = words,
	 .max_count = 2},
	{.name = "any", .type = PARAMETER_ANY, .summary = "", .level = ACCESS_LEVEL_ALL},
};

/* What was checked is what the handler sees; it comes back as it went in. */
static void answer_echo(struct request *request, void *context)
{
	const char *comm = request_string(request, "comm");
	int64_t pid = request_integer(request, "pid");

	(void)context;
	if (request_has(request, "pid") && (pid < 1 || pid > INT32_MAX))
		abort();
	if (comm && (!*comm || strlen(comm) > 64))
		abort();
	for (size_t i = 0; i < request_count(request, "events"); i++)
		if (!request_item(request, "events", i))
			abort();
	request_result(request, json_pack("{s:s*, s:O?}", "comm", comm, "any",
					  request_value(request, "any")));
}

static void answer_dump(struct request *request, void *context)
{
	struct evbuffer *content = evbuffer_new();

	(void)context;
	evbuffer_add_printf(content, "{\n%s\n", request_method(request));
	request_stream_buffer(request, "text/plain", content);
}

static void answer_subscribe(struct request *request, void *context)
{
	(void)context;
	request_subscribe(request, json_object(), NULL, NULL);
	request_event(request, json_pack("{s:i}", "n", 1));
}

static void answer_later(struct request *request, void *context)
{
	(void)context;
	request_wait(request, NULL, NULL);
}

static const struct method methods[] = {
	{.name = "echo",
	 .summary = "",
	 .is_control = true,
	 .handler = answer_echo,
	 .parameters = parameters,
	 .parameter_count = ARRAY_SIZE(parameters)},
	{.name = "dump", .summary = "", .handler = answer_dump},
	{.name = "subscribe", .summary = "", .handler = answer_subscribe},
	{.name = "wait", .summary = "", .handler = answer_later},
};

struct session_end {
	struct connection *connection; /* NULL: closed */
};

static void on_close(struct connection *connection, void *context)
{
	struct session_end *end = context;

	(void)connection;
	end->connection = NULL;
}

/* Every line is an object, and behind a chunk come its bytes. Returns non-zero for progress. */
static int take_output(struct evbuffer *received, size_t *chunk)
{
	size_t length;

	if (*chunk) {
		if (evbuffer_get_length(received) < *chunk)
			return 0;
		evbuffer_drain(received, *chunk);
		*chunk = 0;
	}
	_cleanup_free_ char *line = evbuffer_readln(received, &length, EVBUFFER_EOL_LF);
	if (!line)
		return 0;
	json_t *message = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	if (!json_is_object(message))
		abort();
	*chunk = (size_t)json_integer_value(json_object_get(message, "chunk"));
	json_decref(message);
	return 1;
}

static void converse(struct event_base *base, struct session_end *end, int fd, const uint8_t *data,
		     size_t size)
{
	struct evbuffer *received = evbuffer_new();
	size_t chunk = 0;
	int is_shut = 0;

	for (int idle = 0; idle < MAX_TURNS && end->connection; idle++) {
		ssize_t sent = size ? send(fd, data, size, MSG_NOSIGNAL) : 0;

		if (sent > 0) {
			data += sent;
			size -= (size_t)sent;
			idle = 0;
		}
		if (!size && !is_shut++)
			shutdown(fd, SHUT_WR);
		event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		if (evbuffer_read(received, fd, -1) > 0)
			idle = 0;
		while (take_output(received, &chunk))
			idle = 0;
	}
	evbuffer_free(received);
}

/* Whatever a client sends, what it gets is the protocol, and nothing of it stays behind. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct session_end end;
	struct access_peer peer = {.uid = 1000, .level = ACCESS_LEVEL_OWN};
	struct event_base *base = event_base_new();
	struct method_table *table = request_methods_new(methods, ARRAY_SIZE(methods), NULL);
	struct connection_settings settings = {
		.base = base,
		.methods = table,
		.idle_ms = 60000,
		.stall_ms = 60000,
		.on_close = on_close,
		.context = &end,
	};
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	log_start("fuzz", LOG_LEVEL_ERROR);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	end.connection = connection_new(&settings, fds[1], &peer);
	converse(base, &end, fds[0], data, size);
	connection_free(end.connection);
	close(fds[0]);
	method_table_free(table);
	event_base_free(base);
	return 0;
}
