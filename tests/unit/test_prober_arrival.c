/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/prober_arrival.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/heap_workers.h"

#define PID        77
#define START_TIME 5
#define SLOT       9

/* A prober on its way, and what came of it. */
struct scene {
	struct heap_workers workers;
	struct prober_arrival *arrival;
	int done_count;
	int error;
	const char *reason;
	int fd;
	size_t file_count;
};

static void on_done(void *context, const struct prober_arrived *arrived)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = arrived->error;
	scene->reason = arrived->reason;
	scene->fd = arrived->fd;
	scene->file_count = arrived->file_count;
	for (size_t i = 0; i < arrived->file_count; i++)
		assert_true(lseek(arrived->files[i].fd, 0, SEEK_END) > 0);
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	heap_workers_init(&scene->workers);
	scene->fd = -1;
	scene->arrival = prober_arrival_start(&scene->workers.sources, PID, START_TIME, SLOT,
					      on_done, scene);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	heap_workers_fini(&scene->workers);
	if (scene->fd >= 0)
		close(scene->fd);
	free(scene);
	return 0;
}

static void assert_failed(const struct scene *scene, int error, const char *reason)
{
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, error);
	assert_string_equal(scene->reason, reason);
	assert_int_equal(scene->fd, -1);
}

static void test_a_prober_comes_with_the_files_that_it_is_for(void **state)
{
	struct scene *scene = *state;

	heap_workers_search(&scene->workers, 1);
	assert_int_equal(scene->done_count, 0);
	heap_workers_start_prober(&scene->workers);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(scene->file_count, 1);
	assert_int_equal(write(scene->fd, "x", 1), 1);
}

static void test_the_broker_is_told_the_process_and_its_slot(void **state)
{
	struct scene *scene = *state;
	struct broker_request request;

	heap_workers_search(&scene->workers, 1);
	request = heap_workers_answer_broker(&scene->workers, BROKER_START_PROBER, -EPERM, -1);
	assert_int_equal(request.pid, PID);
	assert_int_equal(request.start_time_ns, START_TIME);
	assert_int_equal(request.value, SLOT);
	assert_failed(scene, -EPERM, "no prober could be started");
}

static void test_no_prober_is_started_without_an_allocator(void **state)
{
	struct scene *scene = *state;

	heap_workers_search(&scene->workers, 0);
	assert_failed(scene, -ENOENT, "it has no allocator with symbols");
}

static void test_a_process_that_is_gone_is_told_as_that(void **state)
{
	struct scene *scene = *state;

	heap_workers_turn(&scene->workers);
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_PROC, -ESRCH, -1);
	assert_failed(scene, -ESRCH, "it is gone");
}

static void test_an_answer_without_a_prober_is_an_error(void **state)
{
	struct scene *scene = *state;

	heap_workers_search(&scene->workers, 1);
	heap_workers_answer_broker(&scene->workers, BROKER_START_PROBER, 0, -1);
	assert_failed(scene, -EPROTO, "no prober could be started");
}

static void test_who_gave_up_while_it_is_searched_hears_nothing(void **state)
{
	struct scene *scene = *state;

	prober_arrival_cancel(scene->arrival);
	heap_workers_turn(&scene->workers);
	heap_workers_answer_maps(&scene->workers);
	assert_int_equal(scene->done_count, 0);
	prober_arrival_cancel(NULL);
}

static void test_a_prober_that_nobody_waits_for_is_ended(void **state)
{
	struct scene *scene = *state;
	char byte;

	heap_workers_search(&scene->workers, 1);
	prober_arrival_cancel(scene->arrival);
	heap_workers_start_prober(&scene->workers);
	assert_int_equal(scene->done_count, 0);
	assert_int_equal(read(scene->workers.prober, &byte, 1), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_prober_comes_with_the_files_that_it_is_for),
		TEST(test_the_broker_is_told_the_process_and_its_slot),
		TEST(test_no_prober_is_started_without_an_allocator),
		TEST(test_a_process_that_is_gone_is_told_as_that),
		TEST(test_an_answer_without_a_prober_is_an_error),
		TEST(test_who_gave_up_while_it_is_searched_hears_nothing),
		TEST(test_a_prober_that_nobody_waits_for_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
