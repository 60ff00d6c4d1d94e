/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/request.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/protocol_scene.h"

static void test_a_bad_line_gets_an_error(void **state)
{
	static const struct {
		const char *line;
		const char *answer; /* without the message */
	} cases[] = {
		{"5", "null,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"[]", "null,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{}", "null,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1}", "1,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1,\"method\":5}",
		 "1,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1,\"method\":\"echo\",\"params\":[]}",
		 "1,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1,\"method\":\"echo\",\"more\":1}",
		 "1,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1,\"id\":2,\"method\":\"echo\"}",
		 "null,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":99999999999999999999,\"method\":\"echo\"}",
		 "null,\"error\":{\"code\":-32600,\"name\":\"bad-request\""},
		{"{\"id\":1,\"method\":\"none\"}",
		 "1,\"error\":{\"code\":-32601,\"name\":\"unknown-method\""},
		{"{\"id\":1,\"method\":\"ech\\u0000o\"}",
		 "1,\"error\":{\"code\":-32601,\"name\":\"unknown-method\""},
		{"{\"id\":1,\"method\":\"fail\"}",
		 "1,\"error\":{\"code\":-32001,\"name\":\"no-such-process\""},
		{"{\"id\":1,\"method\":\"refuse\"}",
		 "1,\"error\":{\"code\":-32002,\"name\":\"not-permitted\""},
		{"{\"id\":1,\"method\":\"nothing\"}",
		 "1,\"error\":{\"code\":-32000,\"name\":\"failed\""},
		{"{\"id\":1,\"method\":\"broken\"}",
		 "1,\"error\":{\"code\":-32000,\"name\":\"failed\""},
		{"{\"id\":1,\"method\":\"cancel\",\"params\":{\"request\":7}}",
		 "1,\"error\":{\"code\":-32001,\"name\":\"no-such-request\""},
		{"{\"id\":1,\"method\":\"need\"}",
		 "1,\"error\":{\"code\":-32602,\"name\":\"bad-parameter\""},
	};
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *answer =
			memory_format("{\"id\":%s,\"message\":\"*\"}}", cases[i].answer);

		scene_send_text(scene, cases[i].line);
		scene_send_text(scene, "\n");
		scene_expect(scene, answer);
	}
	assert_int_equal(scene->seen.calls, 0);
	assert_non_null(scene->connection);
}

static void test_parameters_are_checked(void **state)
{
	static const struct {
		const char *parameters;
		const char *name; /* of the error; NULL: it is accepted */
	} cases[] = {
		{"{}", NULL},
		{"{\"number\":1}", NULL},
		{"{\"number\":10}", NULL},
		{"{\"number\":0}", "bad-parameter"},
		{"{\"number\":11}", "bad-parameter"},
		{"{\"number\":1.0}", "bad-parameter"},
		{"{\"number\":\"1\"}", "bad-parameter"},
		{"{\"number\":null}", "bad-parameter"},
		{"{\"number\":9223372036854775807}", "bad-parameter"},
		{"{\"share\":1}", NULL},
		{"{\"share\":0.5}", NULL},
		{"{\"share\":1e300}", "bad-parameter"},
		{"{\"share\":-0.1}", "bad-parameter"},
		{"{\"flag\":false}", NULL},
		{"{\"flag\":1}", "bad-parameter"},
		{"{\"text\":\"word\"}", NULL},
		{"{\"text\":\"\"}", "bad-parameter"},
		{"{\"text\":\"nul \\u0000 inside\"}", "bad-parameter"},
		{"{\"text\":\"longer than twenty bytes\"}", "bad-parameter"},
		{"{\"text\":[\"x\"]}", "bad-parameter"},
		{"{\"events\":[\"cpu\",\"offcpu\"]}", NULL},
		{"{\"events\":[\"cpu\",\"cpu\"]}", "bad-parameter"},
		{"{\"events\":[]}", "bad-parameter"},
		{"{\"events\":[\"gpu\"]}", "bad-parameter"},
		{"{\"events\":[1]}", "bad-parameter"},
		{"{\"events\":\"cpu\"}", "bad-parameter"},
		{"{\"events\":{}}", "bad-parameter"},
		{"{\"nmber\":1}", "unknown-parameter"},
		{"{\"secret\":true}", NULL},
	};
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *line = memory_format(
			"{\"id\":%zu,\"method\":\"echo\",\"params\":%s}\n", i, cases[i].parameters);

		scene_send_text(scene, line);
		json_t *answer = scene_next_line(scene);
		const char *name = json_string_value(
			json_object_get(json_object_get(answer, "error"), "name"));

		assert_int_equal(json_integer_value(json_object_get(answer, "id")), i);
		if (cases[i].name)
			assert_string_equal(name, cases[i].name);
		else
			assert_non_null(json_object_get(answer, "result"));
		json_decref(answer);
	}
}

static void test_what_is_not_given_is_the_fallback(void **state)
{
	scene_skip_greeting(*state);
	scene_send_text(*state, "{\"id\":1,\"method\":\"echo\",\"params\":{\"number\":5}}\n");
	scene_expect(*state,
		     "{\"id\":1,\"result\":{\"number\":5,\"share\":0.0,\"flag\":true,\"events\":1,"
		     "\"first\":\"cpu\"}}");
}

static void test_an_error_says_what_is_possible(void **state)
{
	static const struct {
		const char *line;
		const char *message;
	} cases[] = {
		{"{\"method\":\"echo\",\"params\":{\"number\":77}}",
		 "\"number\" of echo must be an integer from 1 to 10, not 77"},
		{"{\"method\":\"echo\",\"params\":{\"events\":[\"gpu\"]}}",
		 "\"events\" of echo must be an array of 1 to 2 different strings \"cpu\", "
		 "\"offcpu\""},
		{"{\"method\":\"need\",\"params\":{\"txt\":\"a\"}}",
		 "need knows no parameter \"txt\"; it takes text"},
		{"{\"method\":\"need\"}", "need needs \"text\": a string of 0 to 5 bytes"},
		{"{\"method\":\"fail\"}", "no process \xef\xbf\xbd called x"},
		{"{\"method\":\"refuse\"}",
		 "process 1: not permitted by the rule own-process: only processes whose real, "
		 "effective and saved user and group are all yours"},
	};
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scene_send_text(scene, cases[i].line);
		scene_send_text(scene, "\n");
		json_t *answer = scene_next_line(scene);
		assert_string_equal(json_string_value(json_object_get(
					    json_object_get(answer, "error"), "message")),
				    cases[i].message);
		json_decref(answer);
	}
}

static void test_an_id_may_be_any_value(void **state)
{
	static const char *const ids[] = {
		"1",
		"-1",
		"1.5",
		"\"x\"",
		"\"\\u0000\"",
		"null",
		"[]",
		"true",
		"{\"a\":[1,{}]}",
		"9223372036854775807",
		"\"\xe6\xbc\xa2\"",
	};
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		_cleanup_free_ char *line =
			memory_format("{\"id\":%s,\"method\":\"buffer\"}\n", ids[i]);
		json_t *wanted = json_loads(ids[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		_cleanup_free_ char *answer = NULL;
		size_t length;

		scene_send_text(scene, line);
		while (!(answer = evbuffer_readln(scene->received, &length, EVBUFFER_EOL_LF))) {
			scene_turn(scene);
			scene_receive(scene);
		}
		json_t *found = json_loadb(answer, length, JSON_ALLOW_NUL, NULL);
		assert_true(json_equal(json_object_get(found, "id"), wanted));
		json_decref(found);
		json_decref(wanted);
		/* The stream itself: a chunk of five bytes and the end. */
		free(evbuffer_readln(scene->received, NULL, EVBUFFER_EOL_LF));
		evbuffer_drain(scene->received, 5);
		free(evbuffer_readln(scene->received, NULL, EVBUFFER_EOL_LF));
	}
}

static void test_endless_nesting_is_an_error(void **state)
{
	struct scene *scene = *state;
	_cleanup_free_ char *line = memory_new(60001);

	scene_skip_greeting(scene);
	memset(line, '[', 60000);
	line[59999] = '\n';
	scene_send(scene, line, 60000);
	scene_expect(scene, "{\"id\":null,\"error\":{\"code\":-32600,\"name\":\"bad-request\","
			    "\"message\":\"*\"}}");
}

static void test_answers_come_in_order_of_completion(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"wait\"}\n{\"id\":2,\"method\":\"fail\"}\n");
	scene_expect(scene, "{\"id\":2,\"error\":{\"code\":-32001,\"name\":\"no-such-process\","
			    "\"message\":\"*\"}}");
	scene_send_text(scene, "{\"id\":1,\"method\":\"echo\"}\n"); /* 1 is still in use */
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32600,\"name\":\"bad-request\","
			    "\"message\":\"*\"}}");
	request_error(scene->seen.waiting, ERROR_NO_SAMPLES, "nothing");
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32003,\"name\":\"no-samples\","
			    "\"message\":\"nothing\"}}");
	assert_int_equal(scene->seen.cancelled, 0);
}

static void test_a_subscription_ends_when_it_is_cancelled(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":\"s\",\"method\":\"subscribe\"}\n");
	scene_expect(scene, "{\"id\":\"s\",\"result\":{\"subscribed\":true}}");
	request_event(scene->seen.waiting, json_pack("{s:i}", "n", 1));
	scene_expect(scene, "{\"id\":\"s\",\"event\":{\"n\":1}}");
	scene_send_text(scene, "{\"id\":2,\"method\":\"cancel\",\"params\":{\"request\":\"s\"}}\n");
	scene_expect(scene, "{\"id\":\"s\",\"end\":true}");
	scene_expect(scene, "{\"id\":2,\"result\":{\"cancelled\":true}}");
	assert_int_equal(scene->seen.cancelled, 1);
}

static void test_a_waiting_request_can_be_cancelled(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"wait\"}\n"
			       "{\"id\":2,\"method\":\"cancel\",\"params\":{\"request\":1}}\n");
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32006,\"name\":\"cancelled\","
			    "\"message\":\"*\"}}");
	scene_expect(scene, "{\"id\":2,\"result\":{\"cancelled\":true}}");
	assert_int_equal(scene->seen.cancelled, 1);
}

static void test_a_stream_can_break_off(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"broken-stream\"}\n");
	scene_expect(scene, "{\"id\":1,\"stream\":{\"type\":\"text/plain\"}}");
	scene_expect(scene, "{\"id\":1,\"chunk\":4}");
	evbuffer_drain(scene->received, 4);
	scene_expect(scene, "{\"id\":1,\"chunk\":4}");
	evbuffer_drain(scene->received, 4);
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32000,\"name\":\"failed\","
			    "\"message\":\"*\"}}");
	assert_int_equal(scene->seen.released, 1);
}

static void test_describe_tells_every_method(void **state)
{
	struct scene *scene = *state;
	size_t index;
	json_t *method;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"describe\"}\n");
	json_t *answer = scene_next_line(scene);
	json_t *listed = json_object_get(json_object_get(answer, "result"), "methods");

	assert_int_equal(json_array_size(listed), scene_method_count() + 2);
	json_array_foreach(listed, index, method)
	{
		if (strcmp(json_string_value(json_object_get(method, "name")), "echo") != 0)
			continue;
		json_t *first = json_array_get(json_object_get(method, "parameters"), 0);
		assert_string_equal(json_string_value(json_object_get(first, "type")), "integer");
		assert_int_equal(json_integer_value(json_object_get(first, "default")), 3);
		assert_int_equal(json_integer_value(json_object_get(first, "maximum")), 10);
	}
	json_decref(answer);
}

static void test_level_own_is_refused_what_needs_all(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	scene_send_text(scene, "{\"id\":1,\"method\":\"root\"}\n"
			       "{\"id\":2,\"method\":\"echo\",\"params\":{\"secret\":true}}\n");
	scene_expect(scene, "{\"id\":1,\"error\":{\"code\":-32002,\"name\":\"not-permitted\","
			    "\"message\":\"*\"}}");
	scene_expect(scene, "{\"id\":2,\"error\":{\"code\":-32002,\"name\":\"not-permitted\","
			    "\"message\":\"*\"}}");
	assert_int_equal(scene->seen.calls, 0);
}

/* Run one control request and return what was logged meanwhile. Owned (free). */
static char *logged_by(struct scene *scene, const char *line)
{
	char path[] = "/tmp/flame-test-log-XXXXXX";
	int log_fd = mkstemp(path);
	int saved = dup(STDERR_FILENO);
	char *text = memory_new(4096);

	assert_true(log_fd >= 0 && saved >= 0);
	unlink(path);
	dup2(log_fd, STDERR_FILENO);
	log_start("test", LOG_LEVEL_INFO);
	scene_send_text(scene, line);
	json_decref(scene_next_line(scene));
	log_start("test", LOG_LEVEL_ERROR);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_true(pread(log_fd, text, 4095, 0) >= 0);
	close(log_fd);
	return text;
}

static void test_control_requests_and_refusals_are_logged(void **state)
{
	struct scene *scene = *state;

	scene_skip_greeting(scene);
	_cleanup_free_ char *done =
		logged_by(scene, "{\"method\":\"echo\",\"params\":{\"text\":\"a\xc2\x9b\\nb\"}}\n");
	assert_string_equal(done,
			    "<6>test: request done: method=echo uid=1000 gid=1000 pid=0 "
			    "comm=\"te\\\"st\" level=own params={\"text\":\"a\\u009B\\nb\"}\n");
	_cleanup_free_ char *refused = logged_by(scene, "{\"method\":\"root\"}\n");
	assert_string_equal(refused,
			    "<6>test: request refused: method=root uid=1000 gid=1000 "
			    "pid=0 comm=\"te\\\"st\" level=own rule=all-level params={}\n");
	_cleanup_free_ char *unlogged = logged_by(scene, "{\"method\":\"fail\"}\n");
	assert_string_equal(unlogged, "");
}

#define with_client(function) \
	cmocka_unit_test_setup_teardown(function, scene_set_up, scene_tear_down)
#define with_user(function) \
	cmocka_unit_test_setup_teardown(function, scene_set_up_own, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_client(test_a_bad_line_gets_an_error),
		with_client(test_parameters_are_checked),
		with_client(test_what_is_not_given_is_the_fallback),
		with_client(test_an_error_says_what_is_possible),
		with_client(test_an_id_may_be_any_value),
		with_client(test_endless_nesting_is_an_error),
		with_client(test_answers_come_in_order_of_completion),
		with_client(test_a_subscription_ends_when_it_is_cancelled),
		with_client(test_a_waiting_request_can_be_cancelled),
		with_client(test_a_stream_can_break_off),
		with_client(test_describe_tells_every_method),
		with_user(test_level_own_is_refused_what_needs_all),
		with_user(test_control_requests_and_refusals_are_logged),
	};

	log_start("test", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
