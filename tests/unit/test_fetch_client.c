/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/fetch_client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/core/counters.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/fetch/fetch_message.h"
#include "tests/unit/cmocka_all.h"

/* The client with the test as its broker and its fetcher. */
struct scene {
	struct event_base *base;
	struct broker_client *broker;
	struct fetch_client *client;
	struct counters counters;
	int broker_fd;  /* the broker's end */
	int fetcher_fd; /* the fetcher's end, -1: there is none */
	int error;      /* of the job that was done last */
	int done_count;
	int fd_count; /* files that came */
};

static const uint8_t build_id[] = {0xab, 0xcd, 0xef};

static void open_scene(struct scene *scene, const char *urls)
{
	int ends[2];

	log_start("test", LOG_LEVEL_ERROR);
	*scene = (struct scene){.fetcher_fd = -1, .base = event_base_new()};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	scene->broker_fd = ends[1];
	scene->broker = broker_client_new(scene->base, ends[0], NULL, NULL);
	scene->client = fetch_client_new(scene->base, scene->broker, &scene->counters, urls);
}

static void close_scene(struct scene *scene)
{
	fetch_client_free(scene->client);
	broker_client_free(scene->broker);
	event_base_free(scene->base);
	close(scene->broker_fd);
	if (scene->fetcher_fd >= 0)
		close(scene->fetcher_fd);
}

static void on_done(void *context, int error, int fd)
{
	struct scene *scene = context;

	scene->error = error;
	scene->done_count++;
	scene->fd_count += fd >= 0;
	if (fd >= 0)
		close(fd);
}

static void send_job(struct scene *scene)
{
	assert_int_equal(
		fetch_client_send(scene->client, build_id, sizeof(build_id), on_done, scene), 0);
}

/* Be the broker: there is exactly one request, for a fetcher. */
static void start_fetcher(struct scene *scene)
{
	struct broker_request request;
	size_t no_fds = 0;
	int ends[2];

	assert_int_equal(
		fd_message_receive(scene->broker_fd, &request, sizeof(request), NULL, &no_fds),
		sizeof(request));
	assert_int_equal(request.type, BROKER_START_FETCHER);
	struct broker_reply reply = {.type = request.type, .serial = request.serial, .fd_count = 1};
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(fd_message_send(scene->broker_fd, &reply, sizeof(reply), ends, 1), 0);
	close(ends[0]);
	if (scene->fetcher_fd >= 0)
		close(scene->fetcher_fd);
	scene->fetcher_fd = ends[1];
	event_base_loop(scene->base, EVLOOP_ONCE);
}

/* Be the fetcher: the request that it got. */
static struct fetch_request take_request(struct scene *scene)
{
	struct fetch_request request;
	size_t no_fds = 0;

	assert_int_equal(
		fd_message_receive(scene->fetcher_fd, &request, sizeof(request), NULL, &no_fds),
		sizeof(request));
	return request;
}

static void reply(struct scene *scene, const void *bytes, size_t length, size_t fd_count)
{
	int fds[2] = {scene->broker_fd, scene->broker_fd};

	assert_int_equal(fd_message_send(scene->fetcher_fd, bytes, length, fds, fd_count), 0);
	event_base_loop(scene->base, EVLOOP_ONCE);
}

static uint64_t counted(const struct scene *scene, enum core_counter counter)
{
	return scene->counters.values[counter];
}

static void test_without_servers_nothing_is_asked(void **state)
{
	struct broker_request request;
	struct scene scene;

	(void)state;
	open_scene(&scene, NULL);
	assert_int_equal(
		fetch_client_send(scene.client, build_id, sizeof(build_id), on_done, &scene),
		-EOPNOTSUPP);
	assert_int_equal(recv(scene.broker_fd, &request, sizeof(request), MSG_DONTWAIT), -1);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_ASKED), 0);
	close_scene(&scene);
}

static void test_the_file_of_a_build_id_is_handed_on(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, "http://one");
	send_job(&scene);
	start_fetcher(&scene);
	struct fetch_request request = take_request(&scene);
	assert_int_equal(request.build_id_length, sizeof(build_id));
	assert_memory_equal(request.build_id, build_id, sizeof(build_id));
	reply(&scene, &(struct fetch_reply){.serial = request.serial}, sizeof(struct fetch_reply),
	      1);
	assert_int_equal(scene.done_count, 1);
	assert_int_equal(scene.error, 0);
	assert_int_equal(scene.fd_count, 1);
	fetch_client_judge(scene.client, 1);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_ASKED), 1);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_FOUND), 1);
	close_scene(&scene);
}

static void test_one_fetcher_serves_job_after_job(void **state)
{
	static const int errors[] = {-ENOENT, -ETIMEDOUT, -ENOENT, -ECANCELED};
	struct scene scene;

	(void)state;
	open_scene(&scene, "http://one");
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		send_job(&scene);
	start_fetcher(&scene);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct fetch_request request = take_request(&scene);

		assert_int_equal(recv(scene.fetcher_fd, &request, sizeof(request), MSG_DONTWAIT),
				 -1);
		reply(&scene, &(struct fetch_reply){request.serial, errors[i]},
		      sizeof(struct fetch_reply), 0);
		assert_int_equal(scene.done_count, i + 1);
		/* Only the client itself may say that it is over. */
		assert_int_equal(scene.error, errors[i] == -ECANCELED ? -EIO : errors[i]);
	}
	assert_int_equal(counted(&scene, COUNTER_FETCHES_MISSING), 2);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_FAILED), 2);
	close_scene(&scene);
}

static void test_a_fetcher_that_answers_nonsense_is_replaced(void **state)
{
	static const struct {
		size_t length;
		uint32_t serial_offset;
		int32_t error;
		size_t fd_count;
	} cases[] = {
		{1, 0, 0, 0},                                /* too short */
		{sizeof(struct fetch_reply), 1, 0, 1},       /* answer to another question */
		{sizeof(struct fetch_reply), 0, 0, 0},       /* a file without the file */
		{sizeof(struct fetch_reply), 0, -ENOENT, 1}, /* no file, with a file */
		{sizeof(struct fetch_reply), 0, 5, 0},       /* no error that there is */
		{sizeof(struct fetch_reply), 0, 0, 2},       /* two files */
		{sizeof(struct fetch_reply) + 4, 0, 0, 1},   /* too long */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fetch_reply bytes[2] = {{0}};
		struct scene scene;

		open_scene(&scene, "http://one");
		send_job(&scene);
		send_job(&scene);
		start_fetcher(&scene);
		bytes[0].serial = take_request(&scene).serial + cases[i].serial_offset;
		bytes[0].error = cases[i].error;
		reply(&scene, bytes, cases[i].length, cases[i].fd_count);
		assert_int_equal(scene.done_count, 1);
		assert_int_equal(scene.error, -EIO);
		assert_int_equal(scene.fd_count, 0);
		assert_int_equal(counted(&scene, COUNTER_FETCHES_FAILED), 1);
		start_fetcher(&scene); /* for the second job */
		bytes[0] = (struct fetch_reply){.serial = take_request(&scene).serial};
		reply(&scene, bytes, sizeof(bytes[0]), 1);
		assert_int_equal(scene.done_count, 2);
		assert_int_equal(scene.error, 0);
		close_scene(&scene);
	}
}

static void test_a_fetcher_that_dies_fails_one_job(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, "http://one");
	send_job(&scene);
	send_job(&scene);
	start_fetcher(&scene);
	close(scene.fetcher_fd);
	scene.fetcher_fd = -1;
	event_base_loop(scene.base, EVLOOP_ONCE);
	assert_int_equal(scene.done_count, 1);
	assert_int_equal(scene.error, -EIO);
	start_fetcher(&scene);
	take_request(&scene);
	close_scene(&scene);
	assert_int_equal(scene.done_count, 2);
	assert_int_equal(scene.error, -ECANCELED);
}

static void test_jobs_end_with_the_client_whatever_they_wait_for(void **state)
{
	struct scene scene;

	(void)state;
	open_scene(&scene, "http://one");
	for (int i = 0; i < 3; i++)
		send_job(&scene);
	close_scene(&scene); /* the broker was asked and has not answered */
	assert_int_equal(scene.done_count, 3);
	assert_int_equal(scene.error, -ECANCELED);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_FAILED), 0);
}

static void test_what_is_no_build_id_or_too_much_is_refused(void **state)
{
	uint8_t long_id[FETCH_BUILD_ID_MAX + 1] = {0};
	struct scene scene;

	(void)state;
	open_scene(&scene, "http://one");
	assert_int_equal(fetch_client_send(scene.client, long_id, 0, on_done, &scene), -EINVAL);
	assert_int_equal(fetch_client_send(scene.client, long_id, sizeof(long_id), on_done, &scene),
			 -EINVAL);
	for (int i = 0; i < FETCH_CLIENT_MAX_JOBS; i++)
		send_job(&scene);
	assert_int_equal(
		fetch_client_send(scene.client, build_id, sizeof(build_id), on_done, &scene),
		-EBUSY);
	assert_int_equal(counted(&scene, COUNTER_FETCHES_ASKED), FETCH_CLIENT_MAX_JOBS);
	close_scene(&scene);
	assert_int_equal(scene.done_count, FETCH_CLIENT_MAX_JOBS);
}

static void test_servers_are_told_without_names_and_passwords(void **state)
{
	static const struct {
		const char *urls;
		const char *json;
	} cases[] = {
		{NULL, "[]"},
		{"http://one", "[\"http://one\"]"},
		{"  http://one/   https://two:8002/x ", "[\"http://one/\",\"https://two:8002/x\"]"},
		{"https://user:word@host/@path", "[\"https://host/@path\"]"},
		{"https://a@b@host", "[\"https://host\"]"},
		{"user@host", "[\"host\"]"},
		{"://", "[\"://\"]"},
		{"http://\xff", "[\"?\"]"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene scene;

		open_scene(&scene, cases[i].urls);
		json_t *servers = fetch_client_servers(scene.client);
		char *text = json_dumps(servers, JSON_COMPACT);
		assert_string_equal(text, cases[i].json);
		free(text);
		json_decref(servers);
		close_scene(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_servers_nothing_is_asked),
		cmocka_unit_test(test_the_file_of_a_build_id_is_handed_on),
		cmocka_unit_test(test_one_fetcher_serves_job_after_job),
		cmocka_unit_test(test_a_fetcher_that_answers_nonsense_is_replaced),
		cmocka_unit_test(test_a_fetcher_that_dies_fails_one_job),
		cmocka_unit_test(test_jobs_end_with_the_client_whatever_they_wait_for),
		cmocka_unit_test(test_what_is_no_build_id_or_too_much_is_refused),
		cmocka_unit_test(test_servers_are_told_without_names_and_passwords),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
