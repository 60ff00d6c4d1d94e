/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/fetcher.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd_message.h"
#include "daemon/fetch/fetch_cache.h"
#include "daemon/fetch/fetch_message.h"
#include "tests/unit/cmocka_all.h"

#define MAX_BYTES "65536" /* DEBUGINFOD_MAXSIZE here */

/*
 * A fetcher in a process of its own, as the spawner starts it. Its server is a folder: what the
 * library does with a file:// address needs no network.
 */
struct scene {
	char folder[64];
	struct fetch_cache cache;
	pid_t pid;
	int fd;
};

static int start_fetcher(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	_cleanup_free_ char *url = NULL;
	int ends[2];

	strcpy(scene->folder, "/tmp/test-fetcher-XXXXXX");
	if (!mkdtemp(scene->folder) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	url = memory_format("file://%s", scene->folder);
	setenv("DEBUGINFOD_URLS", url, 1);
	setenv("DEBUGINFOD_MAXSIZE", MAX_BYTES, 1);
	setenv("DEBUGINFOD_RETRY_LIMIT", "0", 1);
	scene->cache.path = memory_format("%s/cache", scene->folder);
	if (mkdir(scene->cache.path, 0700))
		return -1;
	scene->pid = fork();
	if (!scene->pid) {
		close(ends[0]);
		_exit(fetcher_main(ends[1], &scene->cache));
	}
	close(ends[1]);
	scene->fd = ends[0];
	*state = scene;
	return 0;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
	(void)status;
	(void)type;
	(void)position;
	return remove(path);
}

static int stop_fetcher(void **state)
{
	struct scene *scene = *state;
	int status = 0;

	close(scene->fd);
	waitpid(scene->pid, &status, 0);
	nftw(scene->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	fetch_cache_close(&scene->cache);
	free(scene);
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -1;
}

/* Put a file of size bytes, the first of which are text, where the server has that build ID. */
static void serve(const struct scene *scene, const char *id, const char *text, off_t size)
{
	_cleanup_free_ char *above = memory_format("%s/buildid", scene->folder);
	_cleanup_free_ char *folder = memory_format("%s/%s", above, id);
	_cleanup_free_ char *path = memory_format("%s/debuginfo", folder);

	mkdir(above, 0755);
	mkdir(folder, 0755);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	assert_int_equal(ftruncate(fd, size), 0);
}

static int receive(const struct scene *scene, uint32_t serial, int *fd)
{
	struct fetch_reply reply;
	size_t came = 1;

	*fd = -1;
	assert_int_equal(fd_message_receive(scene->fd, &reply, sizeof(reply), fd, &came),
			 sizeof(reply));
	assert_int_equal(reply.serial, serial);
	assert_int_equal(came, reply.error ? 0 : 1);
	return reply.error;
}

/* Ask for the build ID of length times that byte. Returns the error told. */
static int ask(const struct scene *scene, uint8_t byte, uint32_t length, int *fd)
{
	static uint32_t serial;
	struct fetch_request request = {.serial = ++serial, .build_id_length = length};

	memset(request.build_id, byte, sizeof(request.build_id));
	assert_int_equal(fd_message_send(scene->fd, &request, sizeof(request), NULL, 0), 0);
	return receive(scene, serial, fd);
}

static void test_the_file_of_a_build_id_comes_back_to_be_read_only(void **state)
{
	_cleanup_close_ int fd = -1;
	char text[8] = "";

	serve(*state, "abab", "\177ELF file", 8);
	assert_int_equal(ask(*state, 0xab, 2, &fd), 0);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 8);
	assert_memory_equal(text, "\177ELF fil", 8);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
}

static void test_a_file_that_was_fetched_stays_in_the_cache(void **state)
{
	const struct scene *scene = *state;
	_cleanup_free_ char *served = memory_format("%s/buildid/cdcd/debuginfo", scene->folder);
	_cleanup_close_ int first = -1, second = -1;

	serve(scene, "cdcd", "\177ELF", 100);
	assert_int_equal(ask(scene, 0xcd, 2, &first), 0);
	assert_int_equal(unlink(served), 0);
	assert_int_equal(ask(scene, 0xcd, 2, &second), 0);
}

static void test_what_no_server_has_is_told(void **state)
{
	int fd;

	assert_int_equal(ask(*state, 0xee, 20, &fd), -ENOENT);
}

static void test_what_is_no_elf_file_is_refused_and_not_kept(void **state)
{
	static const struct {
		const char *text;
		off_t size;
	} cases[] = {{"<html>", 6}, {"\177EL", 3}, {"\177ELK", 4096}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd;

		serve(*state, "77", cases[i].text, cases[i].size);
		assert_int_equal(ask(*state, 0x77, 1, &fd), -EBADMSG);
	}
	int good;
	serve(*state, "77", "\177ELF", 4);
	assert_int_equal(ask(*state, 0x77, 1, &good), 0);
	close(good);
}

static void test_a_file_over_the_limit_is_refused(void **state)
{
	int fd;

	serve(*state, "5555", "\177ELF", (off_t)1 << 32);
	assert_true(ask(*state, 0x55, 2, &fd) < 0);
	assert_int_equal(fd, -1);
}

static void test_a_length_that_no_build_id_has_is_refused(void **state)
{
	static const uint32_t lengths[] = {0, FETCH_BUILD_ID_MAX, FETCH_BUILD_ID_MAX + 1,
					   UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		int fd;

		assert_int_equal(ask(*state, 0x11, lengths[i], &fd), -EINVAL);
	}
}

static void test_messages_that_are_no_requests_get_no_answer(void **state)
{
	const struct scene *scene = *state;
	char bytes[2 * sizeof(struct fetch_request)] = {0};
	static const size_t lengths[] = {1, sizeof(struct fetch_request) - 1,
					 sizeof(struct fetch_request) + 1, sizeof(bytes)};
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		assert_int_equal(fd_message_send(scene->fd, bytes, lengths[i], NULL, 0), 0);
	/* A descriptor is nothing that the fetcher takes either. */
	assert_int_equal(fd_message_send(scene->fd, bytes, 1, &scene->fd, 1), 0);
	assert_int_equal(ask(scene, 0xee, 20, &fd), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_file_of_a_build_id_comes_back_to_be_read_only),
		cmocka_unit_test(test_a_file_that_was_fetched_stays_in_the_cache),
		cmocka_unit_test(test_what_no_server_has_is_told),
		cmocka_unit_test(test_what_is_no_elf_file_is_refused_and_not_kept),
		cmocka_unit_test(test_a_file_over_the_limit_is_refused),
		cmocka_unit_test(test_a_length_that_no_build_id_has_is_refused),
		cmocka_unit_test(test_messages_that_are_no_requests_get_no_answer),
	};

	return cmocka_run_group_tests(tests, start_fetcher, stop_fetcher);
}
