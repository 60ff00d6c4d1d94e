/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/allocator_search.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"
#include "tests/unit/heap_workers.h"

#define PID        77
#define START_TIME 5

/* A search, and what it told. */
struct scene {
	struct heap_workers workers;
	int done_count;
	int error;
	size_t count;
	struct allocator_file files[ALLOCATOR_SEARCH_MAX_FILES];
};

static void on_done(void *context, int error, const struct allocator_file *files, size_t count)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = error;
	scene->count = count;
	for (size_t i = 0; i < count; i++) {
		assert_true(files[i].fd >= 0);
		scene->files[i] = files[i];
	}
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	heap_workers_init(&scene->workers);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	heap_workers_fini(&scene->workers);
	free(scene);
	return 0;
}

/* Begin in a process that maps what the text says. */
static struct allocator_search *search(struct scene *scene, const char *maps)
{
	struct heap_sources *sources = &scene->workers.sources;
	struct allocator_search *search = allocator_search_start(sources->broker, sources->reader,
								 PID, START_TIME, on_done, scene);
	struct broker_request request;

	heap_workers_turn(&scene->workers);
	request = heap_workers_answer_broker(&scene->workers, BROKER_OPEN_PROC, 0,
					     heap_workers_file(maps, strlen(maps)));
	assert_int_equal(request.pid, PID);
	assert_int_equal(request.start_time_ns, START_TIME);
	return search;
}

/* The next file is opened; it lies at start. */
static void open_next(struct scene *scene, uint64_t start)
{
	struct broker_request request = heap_workers_answer_broker(
		&scene->workers, BROKER_OPEN_MAPPED, 0, heap_workers_file("elf", 3));

	assert_int_equal(request.start, start);
	if (scene->workers.reader < 0)
		heap_workers_start_reader(&scene->workers);
}

static void test_every_allocator_is_told_with_where_its_code_lies(void **state)
{
	struct scene *scene = *state;

	search(scene, "1000-2000 r-xp 00000000 08:01 11 /program\n"
		      "3000-4000 r-xp 00002000 08:01 22 /libjemalloc.so\n"
		      "7000-9000 r-xp 00001000 08:01 33 /libc.so.6\n");
	open_next(scene, 0x1000);
	heap_workers_answer_reader(&scene->workers, 0);
	open_next(scene, 0x3000);
	heap_workers_answer_reader(&scene->workers, 1);
	open_next(scene, 0x7000);
	assert_int_equal(scene->done_count, 0);
	heap_workers_answer_reader(&scene->workers, 1);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(scene->count, 2);
	assert_int_equal(scene->files[0].map.inode, 22);
	assert_int_equal(scene->files[1].map.inode, 33);
	assert_int_equal(scene->files[1].count, 2);
	assert_string_equal(scene->files[1].functions[1].name, "free");
}

static void test_a_file_is_looked_at_once_however_often_it_is_mapped(void **state)
{
	struct scene *scene = *state;

	search(scene, "1000-2000 r-xp 00000000 08:01 11 /libc.so.6\n"
		      "2000-3000 rw-p 00001000 08:01 11 /libc.so.6\n"
		      "3000-4000 r-xp 00002000 08:01 11 /libc.so.6\n"
		      "5000-6000 r-xp 00000000 08:02 11 /other-disk/libc.so.6\n");
	open_next(scene, 0x1000);
	heap_workers_answer_reader(&scene->workers, 1);
	open_next(scene, 0x5000);
	heap_workers_answer_reader(&scene->workers, 0);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->count, 1);
}

static void test_a_process_that_maps_nothing_is_gone(void **state)
{
	struct scene *scene = *state;

	search(scene, "");
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -ESRCH);
}

static void test_answers_of_the_reader_are_judged(void **state)
{
	struct allocator_function wrong = {.function = HEAP_FUNCTION_COUNT, .name = "malloc"};
	struct allocator_function unending = {.entry = 0x100};
	struct scene *scene = *state;

	memset(unending.name, 'x', sizeof(unending.name));
	search(scene, "1000-2000 r-xp 00000000 08:01 11 /a\n"
		      "2000-3000 r-xp 00000000 08:01 12 /b\n"
		      "3000-4000 r-xp 00000000 08:01 13 /c\n"
		      "4000-5000 r-xp 00000000 08:01 14 /d\n");
	open_next(scene, 0x1000);
	heap_workers_answer_reader_with(&scene->workers, &wrong, sizeof(wrong));
	open_next(scene, 0x2000);
	heap_workers_answer_reader_with(&scene->workers, &wrong, 0);
	open_next(scene, 0x3000);
	heap_workers_answer_reader_with(&scene->workers, &unending, sizeof(unending) - 1);
	open_next(scene, 0x4000);
	heap_workers_answer_reader_with(&scene->workers, &unending, sizeof(unending));
	assert_int_equal(scene->count, 1);
	assert_int_equal(scene->files[0].map.inode, 14);
	assert_int_equal(strlen(scene->files[0].functions[0].name), ALLOCATOR_NAME_BYTES - 1);
}

static void test_more_functions_than_can_be_probed_are_cut_off(void **state)
{
	static struct allocator_function functions[HEAP_MAX_SITES + 7];
	struct scene *scene = *state;

	search(scene, "1000-2000 r-xp 00000000 08:01 11 /libc.so.6\n");
	open_next(scene, 0x1000);
	heap_workers_answer_reader_with(&scene->workers, functions, sizeof(functions));
	assert_int_equal(scene->count, 1);
	assert_int_equal(scene->files[0].count, HEAP_MAX_SITES);
}

static void test_allocators_beyond_the_limit_are_left_out(void **state)
{
	struct scene *scene = *state;

	search(scene, "1000-2000 r-xp 00000000 08:01 11 /a\n"
		      "2000-3000 r-xp 00000000 08:01 12 /b\n"
		      "3000-4000 r-xp 00000000 08:01 13 /c\n"
		      "4000-5000 r-xp 00000000 08:01 14 /d\n"
		      "5000-6000 r-xp 00000000 08:01 15 /e\n");
	for (uint64_t i = 1; i <= ALLOCATOR_SEARCH_MAX_FILES + 1; i++) {
		open_next(scene, i * 0x1000);
		heap_workers_answer_reader(&scene->workers, 1);
	}
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->count, ALLOCATOR_SEARCH_MAX_FILES);
}

static void test_a_file_that_cannot_be_opened_is_passed_over(void **state)
{
	struct scene *scene = *state;

	search(scene, "1000-2000 r-xp 00000000 08:01 11 /gone\n"
		      "2000-3000 r-xp 00000000 08:01 12 /libc.so.6\n");
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_MAPPED, -ENOENT, -1);
	open_next(scene, 0x2000);
	heap_workers_answer_reader(&scene->workers, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(scene->count, 1);
}

static void test_who_gave_up_hears_nothing(void **state)
{
	struct scene *scene = *state;
	struct allocator_search *given_up =
		search(scene, "1000-2000 r-xp 00000000 08:01 11 /libc.so.6\n");

	open_next(scene, 0x1000);
	allocator_search_cancel(given_up);
	heap_workers_answer_reader(&scene->workers, 1);
	assert_int_equal(scene->done_count, 0);
	allocator_search_cancel(NULL);
}

static void test_addresses_are_those_of_the_mapping(void **state)
{
	static const struct {
		uint64_t offset, wanted;
	} cases[] = {{0x2000, 0x7000}, {0x2fff, 0x7fff}, {0x3000, 0}, {0x1fff, 0}, {0, 0}};
	const struct allocator_file file = {
		.map = {.start = 0x7000, .end = 0x8000, .offset = 0x2000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(allocator_file_address(&file, cases[i].offset), cases[i].wanted);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_every_allocator_is_told_with_where_its_code_lies),
		TEST(test_a_file_is_looked_at_once_however_often_it_is_mapped),
		TEST(test_a_process_that_maps_nothing_is_gone),
		TEST(test_answers_of_the_reader_are_judged),
		TEST(test_more_functions_than_can_be_probed_are_cut_off),
		TEST(test_allocators_beyond_the_limit_are_left_out),
		TEST(test_a_file_that_cannot_be_opened_is_passed_over),
		TEST(test_who_gave_up_hears_nothing),
		cmocka_unit_test(test_addresses_are_those_of_the_mapping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
