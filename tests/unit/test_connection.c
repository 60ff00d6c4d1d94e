/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/connection.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/protocol.h"
#include "daemon/core/protocol/request.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/protocol_scene.h"

static void test_the_server_speaks_first(void **state)
{
	scene_expect(*state, "{\"flamed\":{\"version\":\"" FLAME_VERSION
			     "\",\"protocol\":1,\"level\":\"all\","
			     "\"uid\":1000,\"max_request\":65536}}");
}

static void test_what_is_no_json_closes_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} lines[] = {
		{"hello\n", 6},
		{"{\"id\":1,\"method\":\"ec\n", 21},
		{"\0\0\0\n", 4},
		{"{\"id\":\"\xff\xfe\",\"method\":\"echo\"}\n", 28},
		{"GET / HTTP/1.1\r\n\r\n", 18},
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct scene *scene;

		assert_int_equal(scene_set_up((void **)&scene), 0);
		scene_skip_greeting(scene);
		scene_send(scene, lines[i].bytes, lines[i].length);
		scene_expect(scene, "{\"id\":null,\"error\":{\"code\":-32700,\"name\":\"not-json\","
				    "\"message\":\"*\"}}");
		scene_expect_closed(scene);
		scene_tear_down((void **)&scene);
	}
	(void)state;
}

static void test_a_request_of_the_limit_is_taken_and_one_over_it_is_not(void **state)
{
	struct scene *scene = *state;
	_cleanup_free_ char *line = memory_new(PROTOCOL_MAX_REQUEST_BYTES + 2);
	static const char request[] = "{\"id\":1,\"method\":\"fail\"}";

	scene_skip_greeting(scene);
	memset(line, ' ', PROTOCOL_MAX_REQUEST_BYTES + 1);
	memcpy(line, request, sizeof(request) - 1);
	line[PROTOCOL_MAX_REQUEST_BYTES] = '\n';
	scene_send(scene, line, PROTOCOL_MAX_REQUEST_BYTES + 1);
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32001,\"name\":\"no-such-process\","
			    "\"message\":\"*\"}}");
	line[PROTOCOL_MAX_REQUEST_BYTES] = ' ';
	scene_send(scene, line, PROTOCOL_MAX_REQUEST_BYTES + 1);
	scene_expect(scene, "{\"id\":null,\"error\":{\"code\":-32600,\"name\":\"request-too-long\","
			    "\"message\":\"*\"}}");
	scene_expect_closed(scene);
}

static void test_half_a_line_waits_for_the_rest(void **state)
{
	struct scene *scene = *state;
	static const char request[] = "{\"id\":1,\"method\":\"fail\"}\r\n";

	scene_skip_greeting(scene);
	for (size_t i = 0; i < sizeof(request) - 1; i++) {
		scene_send(scene, &request[i], 1);
		scene_receive(scene);
		if (i < sizeof(request) - 2)
			assert_int_equal(evbuffer_get_length(scene->received), 0);
	}
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32001,\"name\":\"no-such-process\","
			    "\"message\":\"*\"}}");
}

static void test_half_a_line_at_the_end_is_an_error(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"echo\"}");
	shutdown(scene->client_fd, SHUT_WR);
	scene_expect(scene, "{\"id\":null,\"error\":{\"code\":-32600,\"name\":\"bad-request\","
			    "\"message\":\"*\"}}");
	scene_expect_closed(scene);
	assert_int_equal(scene->seen.calls, 0);
}

static void test_empty_lines_mean_nothing(void **state)
{
	scene_skip_greeting(*state);
	scene_send_text(*state, "\n\r\n \t\n{\"id\":1,\"method\":\"fail\"}\n");
	scene_expect(*state, "{\"id\":1,\"error\":{\"code\":-32001,\"name\":\"no-such-process\","
			     "\"message\":\"*\"}}");
}

static void test_ten_thousand_requests_may_be_sent_at_once(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	for (int i = 0; i < 10000; i++) {
		_cleanup_free_ char *line = memory_format("{\"id\":%d,\"method\":\"echo\"}\n", i);

		scene_send_text(scene, line);
	}
	shutdown(scene->client_fd, SHUT_WR);
	for (int i = 0; i < 10000; i++) {
		json_t *answer = scene_next_line(scene);

		assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
		assert_non_null(json_object_get(answer, "result"));
		json_decref(answer);
	}
	scene_expect_closed(scene);
	assert_int_equal(scene->seen.calls, 10000);
}

/* Everything that a client sends while it reads nothing must not pile up here. */
static void test_a_client_that_never_reads_is_not_served_on(void **state)
{
	struct scene *scene = *state;
	static const char request[] = "{\"id\":1,\"method\":\"describe\"}\n";
	size_t length = sizeof(request) - 1;
	size_t sent = 0;
	int idle = 0;

	while (idle < 100) {
		ssize_t count = send(scene->client_fd, request + sent, length - sent, MSG_NOSIGNAL);

		if (count < 0)
			idle++;
		else
			sent = (sent + (size_t)count) % length;
		scene_turn(scene);
	}
	/* Far less than the answers to what fits into the socket: it stopped reading. */
	scene_receive(scene);
	assert_true(evbuffer_get_length(scene->received) < CONNECTION_WRITE_HIGH_BYTES);
	assert_non_null(scene->connection);
}

static void test_a_client_that_takes_nothing_is_dropped(void **state)
{
	struct scene *scene = *state;
	static const char request[] = "{\"id\":1,\"method\":\"stream\"}\n";

	scene->settings.stall_ms = 20;
	scene_reconnect(scene);
	scene_send_text(scene, request);
	while (scene->connection)
		event_base_loop(scene->base, EVLOOP_ONCE);
	assert_int_equal(scene->seen.released, 1);
	assert_true(scene->seen.produced < STREAM_BYTES / 2);
}

static void test_an_idle_client_is_dropped_but_not_one_that_waits(void **state)
{
	struct scene *scene = *state;

	scene->settings.idle_ms = 10;
	scene_reconnect(scene);
	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"wait\"}\n");
	while (!scene->seen.waiting)
		scene_turn(scene);
	/* Some idle times later it is still there. */
	struct timeval later = {.tv_usec = 60000};
	event_base_loopexit(scene->base, &later);
	event_base_dispatch(scene->base);
	assert_non_null(scene->connection);
	request_result(scene->seen.waiting, json_object());
	scene_expect(scene, "{\"id\":1,\"result\":{}}");
	while (scene->connection)
		event_base_loop(scene->base, EVLOOP_ONCE);
}

static void test_requests_end_with_their_connection(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene,
			"{\"id\":1,\"method\":\"wait\"}\n{\"id\":2,\"method\":\"subscribe\"}\n"
			"{\"id\":3,\"method\":\"stream\"}\n");
	while (scene->seen.produced == 0)
		scene_turn(scene);
	close(scene->client_fd);
	scene->client_fd = -1;
	scene_expect_closed(scene);
	assert_int_equal(scene->seen.cancelled, 2);
	assert_int_equal(scene->seen.released, 1);
}

static void test_a_slow_subscriber_is_dropped(void **state)
{
	struct scene *scene = *state;

	scene_send_text(scene, "{\"id\":1,\"method\":\"subscribe\"}\n");
	while (!scene->seen.waiting)
		scene_turn(scene);
	for (int i = 0; i < 100000 && scene->seen.waiting; i++) {
		request_event(scene->seen.waiting, json_pack("{s:i}", "number", i));
		if (i % 1000 == 0)
			scene_turn(scene);
	}
	assert_null(scene->seen.waiting);
	scene_expect_closed(scene);
}

/* Read the lines and chunks of one stream; returns its bytes. */
static size_t read_stream(struct scene *scene, size_t *largest_backlog)
{
	size_t bytes = 0;

	for (;;) {
		json_t *line = scene_next_line(scene);
		size_t size = (size_t)json_integer_value(json_object_get(line, "chunk"));
		int is_end = json_is_true(json_object_get(line, "end"));

		if (is_end)
			assert_int_equal(json_integer_value(json_object_get(line, "bytes")), bytes);
		json_decref(line);
		if (is_end)
			return bytes;
		while (evbuffer_get_length(scene->received) < size) {
			scene_turn(scene);
			scene_receive(scene);
		}
		evbuffer_drain(scene->received, size);
		bytes += size;
		size_t backlog = scene->seen.produced - bytes;
		if (backlog > *largest_backlog)
			*largest_backlog = backlog;
	}
}

static void test_a_stream_is_made_as_it_is_read(void **state)
{
	struct scene *scene = *state;
	size_t backlog = 0;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"stream\"}\n");
	scene_expect(scene, "{\"id\":1,\"stream\":{\"type\":\"text/plain\"}}");
	assert_int_equal(read_stream(scene, &backlog), STREAM_BYTES);
	/* The output, what the socket holds and what was received at once. */
	assert_true(backlog < CONNECTION_WRITE_LOW_BYTES + 1024 * 1024);
	assert_int_equal(scene->seen.released, 1);
}

#define with_client(function) \
	cmocka_unit_test_setup_teardown(function, scene_set_up, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_client(test_the_server_speaks_first),
		cmocka_unit_test(test_what_is_no_json_closes_the_connection),
		with_client(test_a_request_of_the_limit_is_taken_and_one_over_it_is_not),
		with_client(test_half_a_line_waits_for_the_rest),
		with_client(test_half_a_line_at_the_end_is_an_error),
		with_client(test_empty_lines_mean_nothing),
		with_client(test_ten_thousand_requests_may_be_sent_at_once),
		with_client(test_a_client_that_never_reads_is_not_served_on),
		with_client(test_a_client_that_takes_nothing_is_dropped),
		with_client(test_an_idle_client_is_dropped_but_not_one_that_waits),
		with_client(test_requests_end_with_their_connection),
		with_client(test_a_slow_subscriber_is_dropped),
		with_client(test_a_stream_is_made_as_it_is_read),
	};

	log_start("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
