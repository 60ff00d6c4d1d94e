/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/broker_client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

/* A client, with the test as the broker. */
struct scene {
	struct event_base *base;
	struct broker_client *client;
	int broker; /* -1: closed */
	int lost_count;
	int done_count;
	int error; /* of the last answer */
	size_t fd_count;
};

static void on_lost(void *context)
{
	struct scene *scene = context;

	scene->lost_count++;
}

static void on_done(void *context, int error, const int *fds, size_t fd_count)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = error;
	scene->fd_count = fd_count;
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	scene->broker = ends[1];
	scene->base = event_base_new();
	scene->client = broker_client_new(scene->base, ends[0], on_lost, scene);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	broker_client_free(scene->client);
	event_base_free(scene->base);
	if (scene->broker >= 0)
		close(scene->broker);
	free(scene);
	return 0;
}

static void ask(struct scene *scene, uint32_t type)
{
	const struct broker_request request = {.type = type};

	broker_client_send(scene->client, &request, on_done, scene);
}

/* The next request, or none: type 0. */
static struct broker_request take(const struct scene *scene)
{
	struct broker_request request = {0};
	size_t no_fds = 0;

	if (fd_message_receive(scene->broker, &request, sizeof(request), NULL, &no_fds) !=
	    sizeof(request))
		request.type = 0;
	return request;
}

/* Answer a request with so many descriptors. */
static void answer(const struct scene *scene, uint32_t serial, int error, size_t fd_count)
{
	const struct broker_reply reply = {.serial = serial, .error = error};
	int fds[2] = {-1, -1};

	for (size_t i = 0; i < fd_count; i++)
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_message_send(scene->broker, &reply, sizeof(reply), fds, fd_count), 0);
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void test_answers_come_with_their_descriptors(void **state)
{
	struct scene *scene = *state;

	ask(scene, BROKER_OPEN_PROC);
	answer(scene, take(scene).serial, 0, 2);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(scene->fd_count, 2);
	ask(scene, BROKER_SET_RATE);
	answer(scene, take(scene).serial, -EPERM, 0);
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(scene->error, -EPERM);
}

static void test_no_more_than_a_few_requests_are_under_way(void **state)
{
	struct scene *scene = *state;
	uint32_t serials[BROKER_CLIENT_IN_FLIGHT];

	for (int i = 0; i < BROKER_CLIENT_IN_FLIGHT + 2; i++)
		ask(scene, BROKER_OPEN_PROC);
	for (int i = 0; i < BROKER_CLIENT_IN_FLIGHT; i++)
		serials[i] = take(scene).serial;
	assert_int_equal(take(scene).type, 0);
	answer(scene, serials[0], 0, 0);
	assert_int_equal(take(scene).type, BROKER_OPEN_PROC);
	assert_int_equal(take(scene).type, 0);
	assert_int_equal(scene->done_count, 1);
}

static void test_answers_that_nobody_wants_are_dropped(void **state)
{
	struct scene *scene = *state;
	const struct broker_request request = {.type = BROKER_SET_HOOKS};

	broker_client_send(scene->client, &request, NULL, NULL);
	answer(scene, take(scene).serial, 0, 1);
	assert_int_equal(scene->done_count, 0);
	assert_int_equal(scene->lost_count, 0);
}

static void test_an_answer_out_of_order_ends_it(void **state)
{
	struct scene *scene = *state;

	ask(scene, BROKER_OPEN_PROC);
	ask(scene, BROKER_OPEN_PROC);
	take(scene);
	answer(scene, take(scene).serial, 0, 1);
	assert_int_equal(scene->lost_count, 1);
	/* Whoever waits hears that it is over. */
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(scene->error, -EPIPE);
	assert_int_equal(scene->fd_count, 0);
}

static void test_a_broker_that_is_gone_is_told_once(void **state)
{
	struct scene *scene = *state;

	ask(scene, BROKER_OPEN_PROC);
	close(scene->broker);
	scene->broker = -1;
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(scene->lost_count, 1);
	assert_int_equal(scene->error, -EPIPE);
}

static void test_who_waits_when_the_client_goes_is_told_so(void **state)
{
	struct scene *scene = *state;

	for (int i = 0; i < BROKER_CLIENT_IN_FLIGHT + 2; i++)
		ask(scene, BROKER_OPEN_PROC);
	broker_client_free(scene->client);
	scene->client = NULL;
	assert_int_equal(scene->done_count, BROKER_CLIENT_IN_FLIGHT + 2);
	assert_int_equal(scene->error, -ECANCELED);
	assert_int_equal(scene->lost_count, 0);
}

static void test_the_greeting_comes_with_all_descriptors_or_none(void **state)
{
	static const struct {
		uint32_t type, walk;
		size_t fd_count;
		int wanted;
	} cases[] = {
		{BROKER_HELLO, BROKER_WALK_TABLES, BROKER_FD_COUNT, 0},
		{BROKER_HELLO, BROKER_WALK_COPIES, 0, 0},
		{BROKER_HELLO, BROKER_WALK_TABLES, BROKER_FD_COUNT - 1, -EPROTO},
		{BROKER_HELLO, BROKER_WALK_TABLES, 0, -EPROTO},
		{BROKER_HELLO, BROKER_WALK_COPIES, 1, -EPROTO},
		{BROKER_OPEN_PROC, BROKER_WALK_COPIES, 0, -EPROTO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct broker_hello sent = {.reply.type = cases[i].type,
						  .walk = cases[i].walk};
		struct broker_hello hello;
		int ends[2], fds[BROKER_FD_COUNT], given[BROKER_FD_COUNT] = {0};

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
		for (size_t k = 0; k < cases[i].fd_count; k++)
			given[k] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_int_equal(
			fd_message_send(ends[1], &sent, sizeof(sent), given, cases[i].fd_count), 0);
		assert_int_equal(broker_client_receive_hello(ends[0], &hello, fds),
				 cases[i].wanted);
		for (size_t k = 0; k < cases[i].fd_count; k++) {
			close(given[k]);
			if (!cases[i].wanted)
				assert_int_equal(close(fds[k]), 0);
		}
		/* A broker that ended says nothing. */
		close(ends[1]);
		assert_int_equal(broker_client_receive_hello(ends[0], &hello, fds), -EPIPE);
		close(ends[0]);
	}
}

static void test_a_path_fits_or_is_refused(void **state)
{
	static char path[2 * sizeof(((struct broker_request *)NULL)->path)];
	struct broker_request request = {0};

	(void)state;
	memset(path, 'x', sizeof(path));
	assert_int_equal(broker_request_set_path(&request, path, sizeof(request.path)), 0);
	assert_int_equal(request.path_length, sizeof(request.path));
	assert_int_equal(broker_request_set_path(&request, path, sizeof(request.path) + 1),
			 -ENAMETOOLONG);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_answers_come_with_their_descriptors),
		TEST(test_no_more_than_a_few_requests_are_under_way),
		TEST(test_answers_that_nobody_wants_are_dropped),
		TEST(test_an_answer_out_of_order_ends_it),
		TEST(test_a_broker_that_is_gone_is_told_once),
		TEST(test_who_waits_when_the_client_goes_is_told_so),
		cmocka_unit_test(test_the_greeting_comes_with_all_descriptors_or_none),
		cmocka_unit_test(test_a_path_fits_or_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
