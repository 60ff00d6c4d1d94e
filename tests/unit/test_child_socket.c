/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/child_socket.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

/* Returns what the child exited with. */
static int reap(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_parent_and_child_talk(void **state)
{
	_cleanup_close_ int fd = -1;
	pid_t child = child_socket_fork(&fd);
	char text[8] = "ping";

	(void)state;
	assert_true(child >= 0);
	if (!child) {
		if (read(fd, text, sizeof(text)) == 5)
			_exit(write(fd, "pong", 5) != 5);
		_exit(1);
	}
	assert_int_equal(write(fd, text, 5), 5);
	assert_int_equal(read(fd, text, sizeof(text)), 5);
	assert_string_equal(text, "pong");
	assert_int_equal(reap(child), 0);
}

static void test_the_parent_sees_the_child_end(void **state)
{
	_cleanup_close_ int fd = -1;
	pid_t child = child_socket_fork(&fd);
	char byte;

	(void)state;
	if (!child)
		_exit(7);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(reap(child), 7);
}

static void test_the_child_sees_the_parent_close(void **state)
{
	int fd = -1;
	pid_t child = child_socket_fork(&fd);
	char byte;

	(void)state;
	if (!child)
		_exit(read(fd, &byte, 1) == 0 ? 0 : 1);
	close(fd);
	assert_int_equal(reap(child), 0);
}

static void test_no_end_outlives_exec(void **state)
{
	_cleanup_close_ int fd = -1;
	pid_t child = child_socket_fork(&fd);

	(void)state;
	if (!child)
		_exit(fcntl(fd, F_GETFD) & FD_CLOEXEC ? 0 : 1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(reap(child), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parent_and_child_talk),
		cmocka_unit_test(test_the_parent_sees_the_child_end),
		cmocka_unit_test(test_the_child_sees_the_parent_close),
		cmocka_unit_test(test_no_end_outlives_exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
