/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/prober_client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "tests/unit/cmocka_all.h"

/* A client with the test as its prober. */
struct scene {
	struct event_base *base;
	struct prober_client *client;
	int prober;
	int lost_count;
	int done_count;
	int error;             /* of the last reply */
	uint64_t window_ns[2]; /* of the first replies */
};

static void on_lost(void *context)
{
	struct scene *scene = context;

	scene->lost_count++;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	int ends[2];

	scene->base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	scene->prober = ends[1];
	scene->client = prober_client_new(scene->base, ends[0], on_lost, scene);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	prober_client_free(scene->client);
	event_base_free(scene->base);
	close(scene->prober);
	free(scene);
	return 0;
}

static void on_done(void *context, int error, const struct prober_reply *reply)
{
	struct scene *scene = context;

	scene->error = error;
	if (scene->done_count < 2)
		scene->window_ns[scene->done_count] = reply->window_ns;
	scene->done_count++;
}

static void ask(struct scene *scene, enum prober_request_type type, void *context)
{
	const struct prober_request request = {.type = type};

	assert_int_equal(prober_client_send(scene->client, &request, -1, on_done, context), 0);
}

/* Be the prober: take one request. */
static struct prober_request take(const struct scene *scene)
{
	struct prober_request request;
	int fd;
	size_t fd_count = 1;

	assert_int_equal(
		fd_message_receive(scene->prober, &request, sizeof(request), &fd, &fd_count),
		sizeof(request));
	if (fd_count)
		close(fd);
	return request;
}

static void reply(struct scene *scene, uint32_t serial, int32_t error, uint64_t window_ns)
{
	const struct prober_reply answer = {
		.serial = serial, .error = error, .window_ns = window_ns};

	assert_int_equal(fd_message_send(scene->prober, &answer, sizeof(answer), NULL, 0), 0);
	event_base_loop(scene->base, EVLOOP_ONCE);
}

static void test_replies_reach_their_callbacks_in_order(void **state)
{
	struct scene *scene = *state;

	ask(scene, PROBER_FULL, scene);
	ask(scene, PROBER_WINDOW, scene);
	struct prober_request first = take(scene), second = take(scene);
	assert_int_equal(first.type, PROBER_FULL);
	assert_int_equal(second.type, PROBER_WINDOW);
	reply(scene, first.serial, 0, 11);
	reply(scene, second.serial, -EPERM, 22);
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(scene->window_ns[0], 11);
	assert_int_equal(scene->window_ns[1], 22);
	assert_int_equal(scene->error, -EPERM);
	assert_int_equal(scene->lost_count, 0);
}

static void test_too_many_at_a_time_are_refused(void **state)
{
	const struct prober_request request = {.type = PROBER_SWEEP};
	struct scene *scene = *state;

	for (int i = 0; i < PROBER_CLIENT_QUEUE; i++)
		ask(scene, PROBER_SWEEP, scene);
	assert_int_equal(prober_client_send(scene->client, &request, -1, on_done, scene), -EBUSY);
	reply(scene, take(scene).serial, 0, 0);
	ask(scene, PROBER_SWEEP, scene);
}

static void test_an_answer_to_nothing_is_the_end(void **state)
{
	struct scene *scene = *state;

	ask(scene, PROBER_STOP, scene);
	reply(scene, take(scene).serial + 1, 0, 0);
	assert_int_equal(scene->lost_count, 1);
	assert_int_equal(scene->done_count, 0);
}

static void test_a_prober_that_ends_is_told_once(void **state)
{
	struct scene *scene = *state;

	ask(scene, PROBER_STOP, scene);
	shutdown(scene->prober, SHUT_RDWR);
	for (int i = 0; i < 3; i++)
		event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(scene->lost_count, 1);
	assert_int_equal(scene->done_count, 0);
}

static void test_who_is_forgotten_is_not_called(void **state)
{
	struct scene *scene = *state;
	int other;

	ask(scene, PROBER_STOP, &other);
	ask(scene, PROBER_STOP, scene);
	prober_client_forget(scene->client, &other);
	reply(scene, take(scene).serial, 0, 0);
	assert_int_equal(scene->done_count, 0);
	reply(scene, take(scene).serial, 0, 0);
	assert_int_equal(scene->done_count, 1);
}

static void free_client(void *context, int error, const struct prober_reply *answer)
{
	struct scene *scene = context;

	(void)error;
	(void)answer;
	prober_client_free(scene->client);
	scene->client = NULL;
}

static void test_a_callback_may_free_the_client(void **state)
{
	const struct prober_request request = {.type = PROBER_STOP};
	struct scene *scene = *state;

	assert_int_equal(prober_client_send(scene->client, &request, -1, free_client, scene), 0);
	reply(scene, take(scene).serial, 0, 0);
	assert_null(scene->client);
}

static void test_a_file_goes_along(void **state)
{
	const struct prober_request request = {.type = PROBER_ADD_FILE};
	struct scene *scene = *state;
	struct prober_request got;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), copy = -1;
	size_t fd_count = 1;

	assert_int_equal(prober_client_send(scene->client, &request, fd, NULL, NULL), 0);
	assert_int_equal(fd_message_receive(scene->prober, &got, sizeof(got), &copy, &fd_count),
			 sizeof(got));
	assert_int_equal(fd_count, 1);
	close(copy);
	close(fd);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_replies_reach_their_callbacks_in_order),
		TEST(test_too_many_at_a_time_are_refused),
		TEST(test_an_answer_to_nothing_is_the_end),
		TEST(test_a_prober_that_ends_is_told_once),
		TEST(test_who_is_forgotten_is_not_called),
		TEST(test_a_callback_may_free_the_client),
		TEST(test_a_file_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
