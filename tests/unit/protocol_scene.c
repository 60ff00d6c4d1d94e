/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/protocol_scene.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "common/protocol.h"
#include "daemon/core/protocol/method.h"
#include "daemon/core/protocol/request.h"
#include "tests/unit/cmocka_all.h"

static const char *const event_words[] = {"cpu", "offcpu", NULL};

static const struct parameter echo_parameters[] = {
	{.name = "number",
	 .summary = "a number",
	 .type = PARAMETER_INTEGER,
	 .minimum = 1,
	 .maximum = 10,
	 .fallback = "3"},
	{.name = "share",
	 .summary = "a share",
	 .type = PARAMETER_NUMBER,
	 .minimum = 0,
	 .maximum = 1},
	{.name = "flag", .summary = "a flag", .type = PARAMETER_BOOLEAN, .fallback = "true"},
	{.name = "text",
	 .summary = "a text",
	 .type = PARAMETER_STRING,
	 .minimum = 1,
	 .maximum = 20},
	{.name = "events",
	 .summary = "a events",
	 .type = PARAMETER_STRINGS,
	 .words = event_words,
	 .max_count = 2,
	 .fallback = "[\"cpu\"]"},
	{.name = "secret",
	 .summary = "a secret",
	 .type = PARAMETER_BOOLEAN,
	 .level = ACCESS_LEVEL_ALL},
};

static const struct parameter need_parameters[] = {
	{.name = "text",
	 .summary = "a text",
	 .type = PARAMETER_STRING,
	 .minimum = 0,
	 .maximum = 5,
	 .required = true},
};

static void answer_echo(struct request *request, void *context)
{
	struct seen *seen = context;
	const char *text = request_string(request, "text");

	seen->calls++;
	request_result(request, json_pack("{s:I, s:f, s:b, s:s*, s:i, s:s}", "number",
					  (json_int_t)request_integer(request, "number"), "share",
					  request_number(request, "share"), "flag",
					  request_boolean(request, "flag"), "text", text, "events",
					  (int)request_count(request, "events"), "first",
					  request_item(request, "events", 0)));
}

static void answer_fail(struct request *request, void *context)
{
	(void)context;
	request_error(request, ERROR_NO_SUCH_PROCESS, "no process \xff called %s", "x");
}

static void answer_refuse(struct request *request, void *context)
{
	(void)context;
	request_refuse(request, ACCESS_RULE_OWN_PROCESS, "process 1");
}

static void answer_nothing(struct request *request, void *context)
{
	(void)request;
	(void)context;
}

static void answer_broken(struct request *request, void *context)
{
	(void)context;
	request_result(request, json_string("\xff")); /* NULL */
}

static void on_cancelled(struct request *request, void *state)
{
	struct seen *seen = state;

	(void)request;
	seen->cancelled++;
	seen->waiting = NULL;
}

static void answer_wait(struct request *request, void *context)
{
	struct seen *seen = context;

	seen->waiting = request;
	request_wait(request, on_cancelled, seen);
}

static void answer_subscribe(struct request *request, void *context)
{
	struct seen *seen = context;

	seen->waiting = request;
	request_subscribe(request, json_pack("{s:b}", "subscribed", 1), on_cancelled, seen);
}

static int read_source(void *state, struct evbuffer *out)
{
	static const char piece[PROTOCOL_CHUNK_BYTES] = "\nflame";
	struct seen *seen = state;

	evbuffer_add(out, piece, sizeof(piece));
	seen->produced += sizeof(piece);
	return seen->produced < STREAM_BYTES;
}

static void free_source(void *state)
{
	struct seen *seen = state;

	seen->released++;
}

static void answer_stream(struct request *request, void *context)
{
	static const struct request_source source = {read_source, free_source};
	struct seen *seen = context;

	seen->produced = 0;
	request_stream(request, "text/plain", &source, context);
}

static int read_broken_source(void *state, struct evbuffer *out)
{
	struct seen *seen = state;

	evbuffer_add(out, "half", 4);
	return seen->produced++ ? -ENODATA : 1;
}

static void answer_broken_stream(struct request *request, void *context)
{
	static const struct request_source source = {read_broken_source, free_source};
	struct seen *seen = context;

	seen->produced = 0;
	request_stream(request, "text/plain", &source, context);
}

static void answer_buffer(struct request *request, void *context)
{
	struct evbuffer *content = evbuffer_new();

	(void)context;
	evbuffer_add(content, "hello", 5);
	request_stream_buffer(request, "text/plain", content);
}

static const struct method methods[] = {
	{.name = "echo",
	 .summary = "echo",
	 .handler = answer_echo,
	 .is_control = true,
	 .parameters = echo_parameters,
	 .parameter_count = ARRAY_SIZE(echo_parameters)},
	{.name = "need",
	 .summary = "need",
	 .handler = answer_echo,
	 .parameters = need_parameters,
	 .parameter_count = ARRAY_SIZE(need_parameters)},
	{.name = "fail", .summary = "fail", .handler = answer_fail},
	{.name = "refuse", .summary = "refuse", .handler = answer_refuse},
	{.name = "nothing", .summary = "never answers", .handler = answer_nothing},
	{.name = "broken", .summary = "no result", .handler = answer_broken},
	{.name = "wait", .summary = "wait", .handler = answer_wait},
	{.name = "subscribe", .summary = "subscribe", .handler = answer_subscribe},
	{.name = "stream", .summary = "stream", .handler = answer_stream},
	{.name = "broken-stream", .summary = "breaks off", .handler = answer_broken_stream},
	{.name = "buffer", .summary = "buffer", .handler = answer_buffer},
	{.name = "root", .summary = "for all", .handler = answer_echo, .level = ACCESS_LEVEL_ALL},
};

static void on_close(struct connection *connection, void *context)
{
	struct scene *scene = context;

	assert_ptr_equal(connection, scene->connection);
	scene->connection = NULL;
}

static struct connection *connect_client(struct scene *scene)
{
	struct access_peer peer = {
		.uid = 1000, .gid = 1000, .comm = "te\"st", .level = scene->level};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	scene->client_fd = fds[0];
	return connection_new(&scene->settings, fds[1], &peer);
}

static int set_up_level(void **state, enum access_level level)
{
	struct scene *scene = memory_new(sizeof(*scene));

	signal(SIGPIPE, SIG_IGN);
	scene->level = level;
	scene->base = event_base_new();
	scene->table = request_methods_new(methods, ARRAY_SIZE(methods), &scene->seen);
	scene->settings = (struct connection_settings){
		.base = scene->base,
		.methods = scene->table,
		.idle_ms = 60000,
		.stall_ms = 60000,
		.on_close = on_close,
		.context = scene,
	};
	scene->received = evbuffer_new();
	scene->connection = connect_client(scene);
	*state = scene;
	return 0;
}

void scene_reconnect(struct scene *scene)
{
	connection_free(scene->connection);
	close(scene->client_fd);
	scene->connection = connect_client(scene);
}

size_t scene_method_count(void)
{
	return ARRAY_SIZE(methods);
}

int scene_set_up(void **state)
{
	return set_up_level(state, ACCESS_LEVEL_ALL);
}

int scene_set_up_own(void **state)
{
	return set_up_level(state, ACCESS_LEVEL_OWN);
}

int scene_tear_down(void **state)
{
	struct scene *scene = *state;

	connection_free(scene->connection);
	method_table_free(scene->table);
	evbuffer_free(scene->received);
	event_base_free(scene->base);
	if (scene->client_fd >= 0)
		close(scene->client_fd);
	free(scene);
	return 0;
}

void scene_turn(struct scene *scene)
{
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

void scene_receive(struct scene *scene)
{
	while (evbuffer_read(scene->received, scene->client_fd, -1) > 0)
		;
}

void scene_send(struct scene *scene, const char *bytes, size_t length)
{
	while (length && scene->connection) {
		ssize_t sent = send(scene->client_fd, bytes, length, MSG_NOSIGNAL);

		if (sent > 0) {
			bytes += sent;
			length -= (size_t)sent;
		} else if (errno != EAGAIN) {
			return;
		}
		scene_turn(scene);
	}
}

void scene_send_text(struct scene *scene, const char *text)
{
	scene_send(scene, text, strlen(text));
}

json_t *scene_next_line(struct scene *scene)
{
	_cleanup_free_ char *line = NULL;
	size_t length;

	while (!(line = evbuffer_readln(scene->received, &length, EVBUFFER_EOL_LF))) {
		scene_turn(scene);
		scene_receive(scene);
		if (!scene->connection && !evbuffer_get_length(scene->received))
			return NULL;
	}
	json_t *json = json_loadb(line, length, 0, NULL);
	assert_non_null(json);
	return json;
}

void scene_skip_greeting(struct scene *scene)
{
	json_decref(scene_next_line(scene));
}

void scene_expect(struct scene *scene, const char *wanted_text)
{
	json_t *found = scene_next_line(scene);
	json_t *wanted = json_loads(wanted_text, 0, NULL);

	assert_non_null(wanted);
	assert_non_null(found);
	json_t *message = json_object_get(json_object_get(found, "error"), "message");
	if (message && strstr(wanted_text, "\"*\""))
		json_string_set(message, "*");
	if (!json_equal(found, wanted)) {
		print_error("found %s\nwanted %s\n", json_dumps(found, 0), wanted_text);
		fail();
	}
	json_decref(found);
	json_decref(wanted);
}

void scene_expect_closed(struct scene *scene)
{
	while (scene->connection)
		scene_turn(scene);
}
