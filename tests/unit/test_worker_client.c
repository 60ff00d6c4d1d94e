/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/workers/worker_client.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd_message.h"
#include "common/memory.h"
#include "daemon/core/workers/broker_client.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fixed_world.h"

#define TIMEOUT_MS 1000
#define IDLE_MS    500
#define RETRY_MS   200

struct request {
	uint32_t word;
	uint32_t serial;
};

static const struct worker_kind kind = {
	.name = "test worker",
	.start_request = BROKER_START_READER,
	.serial_offset = offsetof(struct request, serial),
	.timeout_ms = TIMEOUT_MS,
	.idle_ms = IDLE_MS,
	.retry_ms = RETRY_MS,
};

/* In place of the broker: who asked for a worker. */
static broker_done *start_done;
static void *start_context;

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_int_equal(request->type, BROKER_START_READER);
	assert_null(start_done);
	start_done = done;
	start_context = context;
}

/* A client, with the test as its worker. */
struct scene {
	struct event_base *base;
	struct worker_client *client;
	int worker; /* -1: there is none */
	int done_count;
	int error; /* of the last job */
	int had_answer;
};

static void on_done(void *context, int error, int fd)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = error;
	scene->had_answer = fd >= 0;
	if (fd >= 0)
		close(fd);
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	fixed_world = (struct fixed_world){.now_ns = 100 * NS_PER_SECOND};
	start_done = NULL;
	scene->base = event_base_new();
	scene->client = worker_client_new(scene->base, NULL, &kind);
	scene->worker = -1;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	worker_client_free(scene->client);
	event_base_free(scene->base);
	if (scene->worker >= 0)
		close(scene->worker);
	free(scene);
	return 0;
}

static void advance(const struct scene *scene, uint64_t ms)
{
	fixed_world.now_ns += ms * NS_PER_MS;
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

static void ask(struct scene *scene, uint32_t word, int fd)
{
	const struct request request = {.word = word};

	worker_client_send(scene->client, &request, sizeof(request), &fd, fd >= 0, on_done, scene);
}

/* Be the broker: start a worker, or fail to. */
static void start(struct scene *scene, int error)
{
	broker_done *done = start_done;
	int ends[2] = {-1, -1};

	assert_non_null(done);
	start_done = NULL;
	if (!error) {
		if (scene->worker >= 0)
			close(scene->worker);
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends),
			0);
		scene->worker = ends[1];
	}
	done(start_context, error, ends, !error);
}

/* The request that the worker has got; its descriptor, if any, is closed. */
static struct request take(const struct scene *scene, size_t fds_wanted)
{
	struct request request;
	int fd = -1;
	size_t count = 1;

	assert_int_equal(fd_message_receive(scene->worker, &request, sizeof(request), &fd, &count),
			 sizeof(request));
	assert_int_equal(count, fds_wanted);
	if (count)
		close(fd);
	return request;
}

static int has_request(const struct scene *scene)
{
	char byte;

	return recv(scene->worker, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static void reply(const struct scene *scene, uint32_t serial, int error, int has_answer)
{
	const struct worker_reply message = {serial, error};
	int fd = has_answer ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;

	assert_int_equal(fd_message_send(scene->worker, &message, sizeof(message), &fd, has_answer),
			 0);
	if (fd >= 0)
		close(fd);
	advance(scene, 0);
}

static void test_jobs_are_done_one_at_a_time_in_order(void **state)
{
	struct scene *scene = *state;

	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ask(scene, 10, fd);
	ask(scene, 20, -1);
	assert_int_equal(worker_client_waiting(scene->client), 2);
	start(scene, 0);
	struct request first = take(scene, 1);
	assert_int_equal(first.word, 10);
	assert_int_equal(worker_client_waiting(scene->client), 1);
	assert_false(has_request(scene));
	reply(scene, first.serial, 0, 1);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_true(scene->had_answer);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was the client's to close */
	struct request second = take(scene, 0);
	assert_int_equal(second.word, 20);
	assert_int_not_equal(second.serial, first.serial);
	reply(scene, second.serial, -ENOENT, 0);
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(scene->error, -ENOENT);
	assert_false(scene->had_answer);
	assert_int_equal(worker_client_restarts(scene->client), 0);
}

/* What the worker is fed comes from targets: it may have been taken over. */
static void test_a_worker_that_answers_nonsense_is_replaced(void **state)
{
	static const struct {
		uint32_t serial_off;
		int error, has_answer;
	} cases[] = {{1, 0, 1}, {0, 0, 0}, {0, -ENOENT, 1}, {0, 5, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene *scene;

		assert_int_equal(set_up((void **)&scene), 0);
		ask(scene, 1, -1);
		ask(scene, 2, -1);
		start(scene, 0);
		reply(scene, take(scene, 0).serial + cases[i].serial_off, cases[i].error,
		      cases[i].has_answer);
		assert_int_equal(scene->done_count, 1);
		assert_int_equal(scene->error, -EIO);
		assert_false(scene->had_answer);
		assert_int_equal(worker_client_restarts(scene->client), 1);
		/* The next job is done by another one. */
		start(scene, 0);
		assert_int_equal(take(scene, 0).word, 2);
		tear_down((void **)&scene);
	}
}

static void test_a_worker_that_says_that_it_was_cancelled_is_not_believed(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	start(scene, 0);
	reply(scene, take(scene, 0).serial, -ECANCELED, 0);
	assert_int_equal(scene->error, -EIO);
}

static void test_a_worker_that_speaks_unasked_is_replaced(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	start(scene, 0);
	uint32_t serial = take(scene, 0).serial;
	reply(scene, serial, -ENOENT, 0);
	reply(scene, serial, 0, 1);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(worker_client_restarts(scene->client), 1);
	assert_null(start_done);
}

static void test_a_worker_that_dies_fails_its_job_alone(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	ask(scene, 2, -1);
	start(scene, 0);
	take(scene, 0);
	close(scene->worker);
	scene->worker = -1;
	advance(scene, 0);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -EIO);
	start(scene, 0);
	assert_int_equal(take(scene, 0).word, 2);
}

static void test_a_job_that_takes_too_long_is_given_up(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	start(scene, 0);
	take(scene, 0);
	advance(scene, TIMEOUT_MS - 10);
	assert_int_equal(scene->done_count, 0);
	advance(scene, 20);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -ETIMEDOUT);
	assert_int_equal(worker_client_restarts(scene->client), 1);
}

static void test_a_worker_that_cannot_be_started_is_asked_for_again(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	start(scene, -EAGAIN);
	assert_int_equal(scene->done_count, 0);
	advance(scene, RETRY_MS - 10);
	assert_null(start_done);
	advance(scene, 20);
	start(scene, 0);
	assert_int_equal(take(scene, 0).word, 1);
}

static void test_a_worker_without_work_ends(void **state)
{
	struct scene *scene = *state;
	char byte;

	ask(scene, 1, -1);
	start(scene, 0);
	reply(scene, take(scene, 0).serial, -ENOENT, 0);
	advance(scene, IDLE_MS - 10);
	assert_int_equal(recv(scene->worker, &byte, 1, 0), -1); /* it lives */
	advance(scene, 20);
	assert_int_equal(recv(scene->worker, &byte, 1, 0), 0);
	assert_int_equal(worker_client_restarts(scene->client), 0);
	ask(scene, 2, -1);
	start(scene, 0);
	assert_int_equal(take(scene, 0).word, 2);
}

static void test_every_job_is_cancelled_when_the_client_goes(void **state)
{
	struct scene *scene = *state;

	ask(scene, 1, -1);
	start(scene, 0);
	ask(scene, 2, open("/dev/null", O_RDONLY | O_CLOEXEC));
	worker_client_free(scene->client);
	scene->client = NULL;
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(scene->error, -ECANCELED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_jobs_are_done_one_at_a_time_in_order),
		cmocka_unit_test(test_a_worker_that_answers_nonsense_is_replaced),
		TEST(test_a_worker_that_says_that_it_was_cancelled_is_not_believed),
		TEST(test_a_worker_that_speaks_unasked_is_replaced),
		TEST(test_a_worker_that_dies_fails_its_job_alone),
		TEST(test_a_job_that_takes_too_long_is_given_up),
		TEST(test_a_worker_that_cannot_be_started_is_asked_for_again),
		TEST(test_a_worker_without_work_ends),
		TEST(test_every_job_is_cancelled_when_the_client_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
