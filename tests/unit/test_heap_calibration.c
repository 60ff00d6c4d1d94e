/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_calibration.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/workers/prober_client.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/heap_workers.h"

/* What is known of the machine, and two probers that can be asked: the test is the other ends. */
struct scene {
	struct heap_workers workers;
	struct heap_calibration calibration;
	struct prober_client *prober, *other;
	int other_end;
};

static void on_lost(void *context)
{
	(void)context;
	fail();
}

static struct prober_client *connect_prober(struct scene *scene, int *end)
{
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	*end = ends[1];
	return prober_client_new(scene->workers.sources.base, ends[0], on_lost, NULL);
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	heap_workers_init(&scene->workers);
	heap_calibration_init(&scene->calibration);
	scene->prober = connect_prober(scene, &scene->workers.prober);
	scene->other = connect_prober(scene, &scene->other_end);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	prober_client_free(scene->prober);
	prober_client_free(scene->other);
	heap_workers_fini(&scene->workers);
	close(scene->other_end);
	free(scene);
	return 0;
}

static int is_asked(int end)
{
	char byte;

	return recv(end, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

/* The next measurement: every hit costs as much. */
static void measure(struct scene *scene, double ns, double native_ns)
{
	const struct prober_costs costs = {.is_known = 1,
					   .entry_ns = ns,
					   .pair_ns = ns,
					   .free_ns = ns,
					   .dear_ns = ns,
					   .native_ns = native_ns};

	scene->calibration.measured_ns = 0; /* long ago */
	heap_calibration_ask(&scene->calibration, scene->prober, 1);
	heap_workers_answer_prober(&scene->workers, PROBER_COSTS,
				   (struct prober_reply){.costs = costs});
}

static void test_what_was_measured_first_replaces_the_constants(void **state)
{
	struct scene *scene = *state;
	const struct heap_costs *costs = &scene->calibration.costs;

	assert_true(costs->pair_ns > costs->entry_ns && costs->entry_ns > 0 && costs->free_ns > 0 &&
		    costs->walk_ns > 0);
	measure(scene, 100, 20);
	assert_float_equal(costs->entry_ns, 100, 0);
	assert_float_equal(costs->pair_ns, 100, 0);
	assert_float_equal(costs->free_ns, 100, 0);
	assert_float_equal(costs->dear_ns, 100, 0);
	assert_int_equal(scene->calibration.count, 1);
	assert_int_equal(scene->calibration.state, HEAP_CALIBRATION_DONE);
}

static void test_later_measurements_move_what_is_known_and_its_error(void **state)
{
	struct scene *scene = *state;
	const struct heap_costs *costs = &scene->calibration.costs;
	double error;

	measure(scene, 100, 20);
	error = costs->error;
	measure(scene, 200, 20);
	assert_true(costs->entry_ns > 110 && costs->entry_ns < 190);
	assert_true(costs->error > error + 0.2);
	for (int i = 0; i < 50; i++)
		measure(scene, 200, 20);
	assert_float_equal(costs->entry_ns, 200, 1);
	assert_float_equal(costs->error, error, 0.01);
}

static void test_the_fastest_pair_that_was_seen_is_the_least(void **state)
{
	struct scene *scene = *state;

	measure(scene, 100, 20);
	assert_float_equal(scene->calibration.costs.least_ns, 10, 0);
	measure(scene, 100, 60);
	assert_float_equal(scene->calibration.costs.least_ns, 10, 0);
	measure(scene, 100, 8);
	assert_float_equal(scene->calibration.costs.least_ns, 4, 0);
}

static void test_one_prober_is_asked_at_a_time(void **state)
{
	struct scene *scene = *state;

	heap_calibration_ask(&scene->calibration, NULL, 1);
	assert_int_equal(scene->calibration.state, HEAP_CALIBRATION_MISSING);
	heap_calibration_ask(&scene->calibration, scene->prober, 1);
	heap_calibration_ask(&scene->calibration, scene->other, 1);
	assert_true(is_asked(scene->workers.prober));
	assert_false(is_asked(scene->other_end));
}

static void test_another_is_asked_when_the_first_goes(void **state)
{
	struct scene *scene = *state;

	heap_calibration_ask(&scene->calibration, scene->prober, 1);
	heap_calibration_forget(&scene->calibration, scene->other);
	heap_calibration_forget(&scene->calibration, NULL);
	heap_calibration_ask(&scene->calibration, scene->other, 1);
	assert_false(is_asked(scene->other_end));
	heap_calibration_forget(&scene->calibration, scene->prober);
	heap_calibration_ask(&scene->calibration, scene->other, 1);
	assert_true(is_asked(scene->other_end));
}

static void test_a_prober_that_does_not_know_yet_is_asked_again(void **state)
{
	struct scene *scene = *state;
	double entry_ns = scene->calibration.costs.entry_ns;

	for (int i = 0; i < 3; i++) {
		heap_calibration_ask(&scene->calibration, scene->prober, 0);
		heap_workers_answer_prober(&scene->workers, PROBER_COSTS, (struct prober_reply){0});
	}
	assert_int_equal(scene->calibration.count, 0);
	assert_float_equal(scene->calibration.costs.entry_ns, entry_ns, 0);
}

static void test_what_cannot_be_measured_stays_as_it_is(void **state)
{
	struct scene *scene = *state;
	double entry_ns = scene->calibration.costs.entry_ns;

	heap_calibration_ask(&scene->calibration, scene->prober, 1);
	heap_workers_answer_prober(&scene->workers, PROBER_COSTS,
				   (struct prober_reply){.error = -EPERM});
	assert_int_equal(scene->calibration.state, HEAP_CALIBRATION_FAILED);
	heap_calibration_ask(&scene->calibration, scene->prober, 1);
	assert_false(is_asked(scene->workers.prober));
	assert_float_equal(scene->calibration.costs.entry_ns, entry_ns, 0);
}

static void test_it_is_measured_again_only_for_estimates_and_not_at_once(void **state)
{
	static const struct {
		int is_estimated, is_long_ago, wanted;
	} cases[] = {{1, 1, 1}, {1, 0, 0}, {0, 1, 0}, {0, 0, 0}};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scene->calibration.state = HEAP_CALIBRATION_DONE;
		scene->calibration.measured_ns = cases[i].is_long_ago ? 0 : clock_boot_ns();
		heap_calibration_ask(&scene->calibration, scene->prober, cases[i].is_estimated);
		assert_int_equal(is_asked(scene->workers.prober), cases[i].wanted);
		if (cases[i].wanted)
			heap_workers_answer_prober(&scene->workers, PROBER_COSTS,
						   (struct prober_reply){0});
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_what_was_measured_first_replaces_the_constants),
		TEST(test_later_measurements_move_what_is_known_and_its_error),
		TEST(test_the_fastest_pair_that_was_seen_is_the_least),
		TEST(test_one_prober_is_asked_at_a_time),
		TEST(test_another_is_asked_when_the_first_goes),
		TEST(test_a_prober_that_does_not_know_yet_is_asked_again),
		TEST(test_what_cannot_be_measured_stays_as_it_is),
		TEST(test_it_is_measured_again_only_for_estimates_and_not_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
