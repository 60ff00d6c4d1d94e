/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/file_search.h"

#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/elf/module_image.h"
#include "tests/unit/cmocka_all.h"

/* A broker that never answers: what it is asked is all that matters. */
struct scene {
	struct event_base *base;
	struct broker_client *broker;
	int other_end;
};

static void ignore(void *context, int error, const int *fds, size_t fd_count)
{
	(void)context;
	(void)error;
	(void)fds;
	(void)fd_count;
}

static void on_lost(void *context)
{
	(void)context;
}

static int begin(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair))
		return -1;
	scene->base = event_base_new();
	scene->broker = broker_client_new(scene->base, pair[0], on_lost, NULL);
	scene->other_end = pair[1];
	*state = scene;
	return 0;
}

static int end(void **state)
{
	struct scene *scene = *state;

	broker_client_free(scene->broker);
	close(scene->other_end);
	event_base_free(scene->base);
	free(scene);
	return 0;
}

static int try_next(struct scene *scene, struct file_search *search)
{
	struct broker_request request = {.type = BROKER_OPEN_IN_ROOT, .pid = 42};

	return file_search_try(search, scene->broker, &request, ignore, NULL);
}

static void assert_asked_for(const struct scene *scene, const char *path)
{
	struct broker_request request;

	assert_int_equal(recv(scene->other_end, &request, sizeof(request), 0), sizeof(request));
	assert_int_equal(request.type, BROKER_OPEN_IN_ROOT);
	assert_int_equal(request.pid, 42);
	assert_int_equal(request.path_length, strlen(path));
	assert_memory_equal(request.path, path, strlen(path));
}

static void test_places_are_tried_in_the_order_in_which_they_were_added(void **state)
{
	static const uint8_t id[] = {0xab, 0x01, 0xff};
	struct file_search search = {0};

	assert_null(file_search_path(&search));
	file_search_add_build_id(&search, id, sizeof(id));
	file_search_add(&search, memory_format("/opt/program.debug"));
	assert_true(try_next(*state, &search));
	assert_asked_for(*state, "/usr/lib/debug/.build-id/ab/01ff.debug");
	assert_true(try_next(*state, &search));
	assert_asked_for(*state, "/opt/program.debug");
	assert_string_equal(file_search_path(&search), "/opt/program.debug");
	assert_false(try_next(*state, &search));
	file_search_clear(&search);
	assert_false(try_next(*state, &search));
}

static void test_places_that_cannot_be_are_left_out(void **state)
{
	static const uint8_t id[MODULE_BUILD_ID_MAX + 1];
	struct file_search search = {0};
	char *endless = memory_new(BROKER_PATH_BYTES + 2);

	memset(endless, 'x', BROKER_PATH_BYTES + 1);
	file_search_add_build_id(&search, id, 0);
	file_search_add_build_id(&search, id, 1);
	file_search_add_build_id(&search, id, sizeof(id));
	assert_int_equal(search.count, 0);
	file_search_add(&search, endless);
	file_search_add(&search, memory_format("/short"));
	assert_true(try_next(*state, &search));
	assert_asked_for(*state, "/short");
	file_search_clear(&search);
}

static void test_no_more_places_than_there_is_room_for(void **state)
{
	struct file_search search = {0};

	for (int i = 0; i < FILE_SEARCH_PATHS + 3; i++)
		file_search_add(&search, memory_format("/%d", i));
	for (int i = 0; i < FILE_SEARCH_PATHS; i++)
		assert_true(try_next(*state, &search));
	assert_false(try_next(*state, &search));
	file_search_clear(&search);
}

static void test_the_file_of_the_broker_comes_first(void **state)
{
	struct file_search search = {0};
	const int sent = 77;

	(void)state;
	assert_int_equal(file_search_take(&search, &sent, 1), 77);
	assert_int_equal(file_search_take(&search, NULL, 0), -1);
}

static void test_own_files_are_debug_files(void **state)
{
	static const char *const refused[] = {
		"/etc/passwd", "/usr/lib/debug/../../../etc/passwd", "/usr/lib/debugger",
		"etc/passwd",  "/usr/lib/debug/no-such-file",
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct file_search search = {0};

		file_search_add(&search, memory_format("%s", refused[i]));
		assert_true(try_next(*state, &search));
		assert_int_equal(file_search_take(&search, NULL, 0), -1);
		file_search_clear(&search);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_places_are_tried_in_the_order_in_which_they_were_added, begin, end),
		cmocka_unit_test_setup_teardown(test_places_that_cannot_be_are_left_out, begin,
						end),
		cmocka_unit_test_setup_teardown(test_no_more_places_than_there_is_room_for, begin,
						end),
		cmocka_unit_test_setup_teardown(test_the_file_of_the_broker_comes_first, begin,
						end),
		cmocka_unit_test_setup_teardown(test_own_files_are_debug_files, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
