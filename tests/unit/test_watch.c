/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/watch.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/calibration.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fixed_world.h"

#define CPUS     2
#define BEGIN_NS (100 * NS_PER_SECOND)
#define BUCKET   NS_PER_SECOND

#define OFFCPU (1U << EVENT_OFFCPU)
#define FAULT  (1U << EVENT_FAULT)

#define SWITCH_HOOK (1U << BROKER_HOOK_SWITCH)
#define EXIT_HOOK   (1U << BROKER_HOOK_EXIT)
#define FAULT_HOOK  (1U << BROKER_HOOK_FAULT)

/* In place of the sampler: settings, and counters that the test sets. */
static struct sampler_settings settings;
static uint64_t switches[CPUS], event_cost_ns;
static int look_fd;

struct sampler_settings *sampler_settings(struct sampler *sampler)
{
	(void)sampler;
	return &settings;
}

uint32_t sampler_cpu_count(const struct sampler *sampler)
{
	(void)sampler;
	return CPUS;
}

void sampler_read_counter_cpus(const struct sampler *sampler, uint32_t counter, uint64_t *values)
{
	(void)sampler;
	for (int i = 0; i < CPUS; i++)
		values[i] = counter == KERNEL_COUNTER_SWITCHES ? switches[i] : 0;
}

uint64_t sampler_read_counter(const struct sampler *sampler, uint32_t counter)
{
	(void)sampler;
	return counter == KERNEL_COUNTER_EVENT_COST ? event_cost_ns : 0;
}

void sampler_set_look(struct sampler *sampler, int fd)
{
	(void)sampler;
	look_fd = fd;
}

/* In place of the calibration: a switch costs 100 ns, which is known at once. */
void calibration_before(struct calibration *calibration, void (*done)(void *context), void *context)
{
	(void)calibration;
	done(context);
}

void calibration_after(struct calibration *calibration)
{
	(void)calibration;
}

double calibration_hit_ns(const struct calibration *calibration)
{
	(void)calibration;
	return 100;
}

/* A watch, with the test as its broker. */
struct scene {
	struct event_base *base;
	struct broker_client *client;
	struct watch *watch;
	int broker;
	int look_count;
	uint64_t look_takes_ns;
	int cost_count;
	struct pacing_usage usage; /* that was told last */
	int done_count;
	int error;
};

static uint64_t on_look(void *context)
{
	struct scene *scene = context;

	scene->look_count++;
	fixed_world.now_ns += scene->look_takes_ns;
	return NS_PER_SECOND; /* one CPU was used all the time */
}

static void on_cost(void *context, const struct pacing_usage *usage)
{
	struct scene *scene = context;

	scene->cost_count++;
	scene->usage = *usage;
}

static void on_done(void *context, int error, const int *fds, size_t fd_count)
{
	struct scene *scene = context;

	(void)fds;
	(void)fd_count;
	scene->done_count++;
	scene->error = error;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	int ends[2];

	log_start("test", LOG_LEVEL_ERROR);
	fixed_world = (struct fixed_world){.now_ns = BEGIN_NS};
	settings = (struct sampler_settings){.is_unhooked = 1};
	memset(switches, 0, sizeof(switches));
	event_cost_ns = 0;
	look_fd = -1;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	scene->broker = ends[1];
	scene->base = event_base_new();
	scene->client = broker_client_new(scene->base, ends[0], NULL, NULL);
	scene->watch =
		watch_new(scene->base, scene->client, NULL, NULL, BUCKET, on_look, on_cost, scene);
	watch_set_budget(scene->watch, 1);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	watch_free(scene->watch);
	broker_client_free(scene->client);
	event_base_free(scene->base);
	close(scene->broker);
	if (look_fd >= 0)
		close(look_fd);
	free(scene);
	return 0;
}

static void advance(const struct scene *scene, uint64_t ns)
{
	fixed_world.now_ns += ns;
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
}

/* Be the broker: take a request of a type and answer it. Returns its value. */
static uint64_t answer(const struct scene *scene, uint32_t type, int error)
{
	struct broker_request request;
	struct broker_reply reply = {.error = error};
	_cleanup_close_ int fd = -1;
	size_t no_fds = 0;

	assert_int_equal(
		fd_message_receive(scene->broker, &request, sizeof(request), NULL, &no_fds),
		sizeof(request));
	assert_int_equal(request.type, type);
	if (type == BROKER_OPEN_LOOK && !error)
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	reply.type = type;
	reply.serial = request.serial;
	reply.fd_count = fd >= 0;
	assert_int_equal(fd_message_send(scene->broker, &reply, sizeof(reply), &fd, fd >= 0), 0);
	advance(scene, 0);
	return request.value;
}

static void assert_not_asked(const struct scene *scene)
{
	char byte;

	assert_int_equal(recv(scene->broker, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
}

/* Want events, and be the broker who does it. Returns the hooks that were attached. */
static uint64_t want(struct scene *scene, uint32_t events)
{
	watch_want(scene->watch, events, on_done, scene);
	answer(scene, BROKER_OPEN_LOOK, 0);
	return answer(scene, BROKER_SET_HOOKS, 0);
}

/* A bucket passes, with so many switches on the busier CPU. */
static void pass_bucket(const struct scene *scene, uint64_t count)
{
	switches[0] += count;
	switches[1] += count / 2;
	advance(scene, BUCKET + NS_PER_MS);
}

/* Timers that are set at the end of a long look fire early: the loop reckons from its begin. */
static void test_a_bucket_that_is_not_over_is_not_told_of(void **state)
{
	struct scene *scene = *state;

	want(scene, OFFCPU);
	pass_bucket(scene, 1000);
	scene->look_takes_ns = NS_PER_SECOND / 10;
	int told = scene->cost_count, first = told;
	for (int i = 0; i < 500; i++) {
		advance(scene, NS_PER_SECOND / 100);
		if (scene->cost_count > told)
			assert_in_range(scene->usage.elapsed_ns, BUCKET * 3 / 4, BUCKET * 5 / 4);
		told = scene->cost_count;
	}
	assert_in_range(told - first, 4, 6);
}

static void test_each_event_gets_the_hooks_that_it_needs(void **state)
{
	static const struct {
		uint32_t events;
		uint64_t hooks;
	} cases[] = {
		{OFFCPU, SWITCH_HOOK | EXIT_HOOK},
		{FAULT, FAULT_HOOK | EXIT_HOOK},
		{OFFCPU | FAULT, SWITCH_HOOK | EXIT_HOOK | FAULT_HOOK},
		{1U << EVENT_CPU, 0},
		{0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene *scene;

		assert_int_equal(set_up((void **)&scene), 0);
		watch_want(scene->watch, cases[i].events, on_done, scene);
		if (cases[i].hooks)
			answer(scene, BROKER_OPEN_LOOK, 0);
		assert_int_equal(scene->done_count, 0);
		assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), cases[i].hooks);
		assert_int_equal(scene->done_count, 1);
		assert_int_equal(scene->error, 0);
		assert_int_equal(watch_is_on(scene->watch), cases[i].hooks != 0);
		assert_int_equal(settings.is_unhooked, cases[i].hooks == 0);
		tear_down((void **)&scene);
	}
	(void)state;
}

static void test_who_sleeps_already_is_looked_at_when_the_hooks_are_there(void **state)
{
	struct scene *scene = *state;

	watch_want(scene->watch, OFFCPU, on_done, scene);
	answer(scene, BROKER_OPEN_LOOK, 0);
	assert_int_equal(scene->look_count, 0);
	answer(scene, BROKER_SET_HOOKS, 0);
	assert_int_equal(scene->look_count, 1);
}

static void test_the_end_of_each_bucket_is_looked_at_and_told(void **state)
{
	struct scene *scene = *state;

	want(scene, OFFCPU);
	advance(scene, BUCKET / 2);
	assert_int_equal(scene->look_count, 1);
	for (int i = 1; i <= 3; i++) {
		pass_bucket(scene, 1000);
		assert_int_equal(scene->look_count, 1 + i);
		assert_int_equal(scene->cost_count, i);
		assert_int_equal(scene->usage.hits, 1500);
		assert_int_equal(scene->usage.peak, 1000);
		/* One CPU was used all of the time. */
		assert_float_equal((double)scene->usage.cpu_ns, (double)NS_PER_SECOND,
				   0.01 * (double)NS_PER_SECOND);
	}
	assert_float_equal(watch_cost(scene->watch), 1500 * 100e-9, 1e-6);
	assert_not_asked(scene);
}

static void test_many_switches_are_seen_in_windows(void **state)
{
	struct scene *scene = *state;
	double duty;

	want(scene, OFFCPU);
	fixed_world.chance = 0.5;
	pass_bucket(scene, 1000000);
	duty = watch_pacing(scene->watch)->duty;
	assert_true(duty > 0 && duty < 0.5);
	/* Those that fire rarely stay. */
	assert_int_equal(settings.is_unhooked, 1);
	assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), EXIT_HOOK);
	advance(scene, (uint64_t)((double)BUCKET * (1 - duty) / 2) - 2 * NS_PER_MS);
	assert_not_asked(scene);
	advance(scene, 4 * NS_PER_MS);
	assert_int_equal(settings.is_unhooked, 1);
	assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), SWITCH_HOOK | EXIT_HOOK);
	assert_int_equal(settings.is_unhooked, 0);
	advance(scene, (uint64_t)((double)BUCKET * duty) - 2 * NS_PER_MS);
	assert_int_equal(settings.is_unhooked, 0);
	advance(scene, 4 * NS_PER_MS);
	assert_int_equal(settings.is_unhooked, 1);
	assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), EXIT_HOOK);
}

static void test_only_the_time_of_the_window_counts_as_attached(void **state)
{
	struct scene *scene = *state;
	double duty;

	want(scene, OFFCPU);
	pass_bucket(scene, 1000000);
	duty = watch_pacing(scene->watch)->duty;
	answer(scene, BROKER_SET_HOOKS, 0);
	advance(scene, NS_PER_MS);
	answer(scene, BROKER_SET_HOOKS, 0);
	advance(scene, (uint64_t)(duty * (double)BUCKET) + NS_PER_MS);
	answer(scene, BROKER_SET_HOOKS, 0);
	pass_bucket(scene, 0);
	assert_float_equal((double)scene->usage.attached_ns, duty * (double)BUCKET,
			   0.005 * (double)BUCKET);
}

static void test_hooks_stay_again_when_there_is_less(void **state)
{
	struct scene *scene = *state;

	want(scene, OFFCPU);
	pass_bucket(scene, 1000000);
	answer(scene, BROKER_SET_HOOKS, 0);
	advance(scene, NS_PER_MS);
	answer(scene, BROKER_SET_HOOKS, 0); /* the window */
	pass_bucket(scene, 0);
	answer(scene, BROKER_SET_HOOKS, 0); /* its end */
	assert_float_equal(watch_pacing(scene->watch)->duty, 1, 0);
	assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), SWITCH_HOOK | EXIT_HOOK);
	pass_bucket(scene, 0);
	assert_not_asked(scene);
	assert_int_equal(settings.is_unhooked, 0);
}

static void test_a_budget_that_is_exceeded_is_told_when_it_lasts(void **state)
{
	struct scene *scene = *state;

	want(scene, OFFCPU);
	for (int i = 1; i <= 5; i++) {
		assert_false(watch_is_over_budget(scene->watch));
		event_cost_ns += 50 * NS_PER_MS; /* 5 % */
		pass_bucket(scene, 0);
	}
	assert_true(watch_is_over_budget(scene->watch));
	pass_bucket(scene, 0);
	assert_false(watch_is_over_budget(scene->watch));
	/* Without a budget nothing is too much. */
	watch_set_budget(scene->watch, 0);
	for (int i = 1; i <= 6; i++) {
		event_cost_ns += 50 * NS_PER_MS;
		pass_bucket(scene, 0);
	}
	assert_false(watch_is_over_budget(scene->watch));
}

static void test_looks_that_take_long_are_made_less_often(void **state)
{
	struct scene *scene = *state;

	scene->look_takes_ns = 10 * NS_PER_MS;
	want(scene, OFFCPU);
	assert_int_equal(scene->look_count, 1);
	pass_bucket(scene, 0);
	pass_bucket(scene, 0);
	assert_int_equal(scene->look_count, 1);
	/* Who asks gets one at once. */
	watch_look(scene->watch);
	assert_int_equal(scene->look_count, 2);
	for (int i = 0; i < 4; i++)
		pass_bucket(scene, 0);
	assert_int_equal(scene->look_count, 3);
}

static void test_hooks_that_cannot_be_attached_are_an_error(void **state)
{
	struct scene *scene = *state;

	watch_want(scene->watch, OFFCPU, on_done, scene);
	answer(scene, BROKER_OPEN_LOOK, -EPERM);
	answer(scene, BROKER_SET_HOOKS, -EPERM);
	assert_int_equal(scene->error, -EPERM);
	assert_int_equal(watch_error(scene->watch), -EPERM);
	pass_bucket(scene, 0);
	assert_int_equal(scene->cost_count, 0);
	/* The next one may have more luck: the look is asked for once more. */
	want(scene, OFFCPU);
	assert_int_equal(watch_error(scene->watch), 0);
	assert_int_equal(scene->look_count, 1);
}

static void test_nothing_goes_on_when_nothing_is_wanted_any_more(void **state)
{
	struct scene *scene = *state;

	want(scene, OFFCPU);
	pass_bucket(scene, 1000);
	watch_want(scene->watch, 0, on_done, scene);
	assert_int_equal(answer(scene, BROKER_SET_HOOKS, 0), 0);
	assert_false(watch_is_on(scene->watch));
	assert_float_equal(watch_cost(scene->watch), 0, 0);
	scene->look_count = scene->cost_count = 0;
	pass_bucket(scene, 1000);
	assert_int_equal(scene->look_count + scene->cost_count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_event_gets_the_hooks_that_it_needs),
		TEST(test_who_sleeps_already_is_looked_at_when_the_hooks_are_there),
		TEST(test_the_end_of_each_bucket_is_looked_at_and_told),
		TEST(test_a_bucket_that_is_not_over_is_not_told_of),
		TEST(test_many_switches_are_seen_in_windows),
		TEST(test_only_the_time_of_the_window_counts_as_attached),
		TEST(test_hooks_stay_again_when_there_is_less),
		TEST(test_a_budget_that_is_exceeded_is_told_when_it_lasts),
		TEST(test_looks_that_take_long_are_made_less_often),
		TEST(test_hooks_that_cannot_be_attached_are_an_error),
		TEST(test_nothing_goes_on_when_nothing_is_wanted_any_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
