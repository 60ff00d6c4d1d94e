/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/jit_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/processes/process_table.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"
#include "tests/unit/cmocka_all.h"

#define NUMBER 0x8000

/* In place of the module table: one module at a time. */
static struct module module;
static int has_numbers, image_count, settle_count, remove_count;

struct module *module_table_new_jit(struct module_table *table)
{
	(void)table;
	module = (struct module){.number = NUMBER, .is_jit = 1, .fd = -1};
	return has_numbers ? &module : NULL;
}

int module_table_set_image(struct module_table *table, struct module *given, int fd)
{
	(void)table;
	assert_ptr_equal(given, &module);
	close(fd);
	image_count++;
	return 0;
}

void module_table_settle(struct module_table *table, struct module *given)
{
	(void)table;
	assert_ptr_equal(given, &module);
	settle_count++;
}

void module_table_remove(struct module_table *table, struct module *given)
{
	(void)table;
	assert_ptr_equal(given, &module);
	remove_count++;
}

/* In place of broker and reader: the request that waits, if any. */
static struct {
	broker_done *opened;
	worker_done *read;
	void *context;
	char path[64];
} waiting;

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_int_equal(request->type, BROKER_OPEN_IN_ROOT);
	assert_int_equal(request->pid, getpid());
	assert_null(waiting.context);
	waiting.opened = done;
	waiting.context = context;
	snprintf(waiting.path, sizeof(waiting.path), "%.*s", (int)request->path_length,
		 request->path);
}

int broker_request_set_path(struct broker_request *request, const char *path, size_t length)
{
	assert_true(length < sizeof(request->path));
	memcpy(request->path, path, length);
	request->path_length = (uint32_t)length;
	return 0;
}

void reader_client_send(struct worker_client *reader, enum reader_request_type type, uint32_t flags,
			const int *fds, size_t fd_count, worker_done *done, void *context)
{
	(void)reader;
	(void)flags;
	assert_int_equal(type, READER_PERF_MAP);
	assert_int_equal(fd_count, 1);
	close(fds[0]);
	assert_null(waiting.context);
	waiting.read = done;
	waiting.context = context;
}

/* Maps of one process, and the file that it writes. */
struct scene {
	struct jit_maps *maps;
	struct process process;
	char path[32];
	int file;
};

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	has_numbers = 1;
	image_count = settle_count = remove_count = 0;
	memset(&waiting, 0, sizeof(waiting));
	strcpy(scene->path, "/tmp/flame-jit-XXXXXX");
	scene->file = mkstemp(scene->path);
	assert_true(scene->file >= 0);
	scene->process = (struct process){.pid = (uint32_t)getpid(), .owner_uid = getuid()};
	scene->maps = jit_maps_new(NULL, NULL, NULL);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	unlink(scene->path);
	close(scene->file);
	if (module.fd >= 0)
		close(module.fd);
	module.fd = -1;
	jit_maps_free(scene->maps);
	free(scene);
	return 0;
}

/* Be the broker: open the file, or not. */
static void answer_opened(const struct scene *scene, int error)
{
	void *context = waiting.context;
	int fd = error ? -1 : open(scene->path, O_RDONLY | O_CLOEXEC);

	assert_non_null(waiting.opened);
	waiting.context = NULL;
	waiting.opened(context, error, &fd, error ? 0 : 1);
}

/* Be the reader: give an image, or an error. */
static void answer_read(int error)
{
	void *context = waiting.context;

	assert_non_null(waiting.read);
	waiting.context = NULL;
	waiting.read(context, error, error ? -1 : open("/dev/null", O_RDONLY | O_CLOEXEC));
	waiting.read = NULL;
}

static void write_more(const struct scene *scene)
{
	assert_int_equal(write(scene->file, "1 2 f\n", 6), 6);
}

static void test_the_map_is_named_by_the_pid_and_read(void **state)
{
	struct scene *scene = *state;
	char wanted[64];

	write_more(scene);
	assert_int_equal(jit_maps_add(scene->maps, &scene->process), NUMBER);
	snprintf(wanted, sizeof(wanted), "/tmp/perf-%d.map", getpid());
	assert_string_equal(waiting.path, wanted);
	assert_int_equal(module.state, MODULE_READING);
	answer_opened(scene, 0);
	assert_int_equal(settle_count, 0);
	answer_read(0);
	assert_int_equal(image_count, 1);
	assert_int_equal(settle_count, 1);
}

static void test_a_process_without_a_map_is_settled_and_asked_again(void **state)
{
	struct scene *scene = *state;

	jit_maps_add(scene->maps, &scene->process);
	answer_opened(scene, -ENOENT);
	assert_int_equal(settle_count, 1);
	write_more(scene);
	jit_maps_refresh(scene->maps, NUMBER);
	answer_opened(scene, 0);
	answer_read(0);
	assert_int_equal(image_count, 1);
}

static void test_a_map_is_read_again_when_it_has_changed(void **state)
{
	struct scene *scene = *state;

	write_more(scene);
	jit_maps_add(scene->maps, &scene->process);
	answer_opened(scene, 0);
	jit_maps_refresh(scene->maps, NUMBER); /* it is being read */
	answer_read(0);
	jit_maps_refresh(scene->maps, NUMBER);
	assert_null(waiting.context);
	assert_int_equal(settle_count, 2);
	write_more(scene);
	jit_maps_refresh(scene->maps, NUMBER);
	answer_read(-EBADMSG);
	assert_int_equal(image_count, 1);
	assert_int_equal(settle_count, 3);
	jit_maps_refresh(scene->maps, NUMBER + 1); /* there is none */
	jit_maps_refresh(scene->maps, UINT32_MAX);
}

static void allow_others(struct scene *scene)
{
	assert_int_equal(fchmod(scene->file, 0602), 0);
}

static void allow_group(struct scene *scene)
{
	assert_int_equal(fchmod(scene->file, 0620), 0);
}

static void leave(struct scene *scene)
{
	(void)scene;
}

static void give_away(struct scene *scene)
{
	/* Who may not do that has another's process instead. */
	if (fchown(scene->file, 12345, (gid_t)-1))
		scene->process.owner_uid = getuid() + 1;
}

static void grow(struct scene *scene)
{
	assert_int_equal(ftruncate(scene->file, (off_t)(256 << 20) + 1), 0);
}

static void link_too(struct scene *scene)
{
	char other[40];

	snprintf(other, sizeof(other), "%s-2", scene->path);
	assert_int_equal(link(scene->path, other), 0);
}

static void unlink_other(const struct scene *scene)
{
	char other[40];

	snprintf(other, sizeof(other), "%s-2", scene->path);
	unlink(other);
}

static void test_only_what_the_process_alone_may_write_is_read(void **state)
{
	static const struct {
		void (*spoil)(struct scene *scene);
		int is_read;
	} cases[] = {
		{leave, 1},     {allow_others, 0}, {allow_group, 0},
		{give_away, 0}, {grow, 0},         {link_too, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct scene *scene;

		assert_int_equal(set_up((void **)&scene), 0);
		write_more(scene);
		cases[i].spoil(scene);
		jit_maps_add(scene->maps, &scene->process);
		answer_opened(scene, 0);
		assert_int_equal(waiting.context != NULL, cases[i].is_read);
		assert_int_equal(settle_count, !cases[i].is_read);
		if (cases[i].is_read)
			answer_read(0);
		unlink_other(scene);
		tear_down((void **)&scene);
	}
}

static void test_a_pipe_is_no_map(void **state)
{
	struct scene *scene = *state;
	int ends[2];
	void *context;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	jit_maps_add(scene->maps, &scene->process);
	context = waiting.context;
	waiting.context = NULL;
	waiting.opened(context, 0, ends, 1);
	close(ends[1]);
	assert_null(waiting.context);
	assert_int_equal(settle_count, 1);
}

static void test_a_map_that_nobody_wants_goes_when_nobody_works_on_it(void **state)
{
	struct scene *scene = *state;

	jit_maps_add(scene->maps, &scene->process);
	jit_maps_remove(scene->maps, NUMBER);
	assert_int_equal(remove_count, 0);
	answer_opened(scene, -ENOENT);
	assert_int_equal(remove_count, 1);
	assert_int_equal(settle_count, 0);
	jit_maps_add(scene->maps, &scene->process);
	answer_opened(scene, -ENOENT);
	jit_maps_remove(scene->maps, NUMBER);
	assert_int_equal(remove_count, 2);
	jit_maps_remove(scene->maps, NUMBER);
	assert_int_equal(remove_count, 2);
}

static void test_without_numbers_there_is_no_module(void **state)
{
	struct scene *scene = *state;

	has_numbers = 0;
	assert_int_equal(jit_maps_add(scene->maps, &scene->process), MODULE_NONE);
	assert_null(waiting.context);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_the_map_is_named_by_the_pid_and_read),
		TEST(test_a_process_without_a_map_is_settled_and_asked_again),
		TEST(test_a_map_is_read_again_when_it_has_changed),
		cmocka_unit_test(test_only_what_the_process_alone_may_write_is_read),
		TEST(test_a_pipe_is_no_map),
		TEST(test_a_map_that_nobody_wants_goes_when_nobody_works_on_it),
		TEST(test_without_numbers_there_is_no_module),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
