/* SPDX-License-Identifier: Apache-2.0 */
#include "common/fd_message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void test_descriptors_arrive_with_the_bytes(void **state)
{
	int pipe_fds[2], received[2];
	size_t count = 2;
	char text[8] = "";

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(fd_message_send(pair[0], "hello", 5, pipe_fds, 2), 0);
	assert_int_equal(fd_message_receive(pair[1], text, sizeof(text), received, &count), 5);
	assert_int_equal(count, 2);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(write(received[1], "x", 1), 1);
	assert_int_equal(read(pipe_fds[0], text, 1), 1);
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(received[i]);
	}
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
	return count;
}

static void test_what_does_not_fit_is_refused_and_nothing_leaks(void **state)
{
	int fds[3] = {0, 0, 0}, received[2];
	size_t count = 2;
	char text[4];
	int before = open_descriptors();

	(void)state;
	assert_int_equal(fd_message_send(pair[0], "a", 1, fds, 3), 0);
	assert_int_equal(fd_message_receive(pair[1], text, sizeof(text), received, &count),
			 -EMSGSIZE);
	assert_int_equal(count, 0);
	count = 2;
	assert_int_equal(fd_message_send(pair[0], "too long", 8, fds, 1), 0);
	assert_int_equal(fd_message_receive(pair[1], text, sizeof(text), received, &count),
			 -EMSGSIZE);
	assert_int_equal(open_descriptors(), before);
}

static void test_a_closed_peer_is_the_end(void **state)
{
	size_t count = 0;
	char text[4];

	(void)state;
	shutdown(pair[0], SHUT_RDWR);
	assert_int_equal(fd_message_receive(pair[1], text, sizeof(text), NULL, &count), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_descriptors_arrive_with_the_bytes, open_pair,
						close_pair),
		cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_refused_and_nothing_leaks,
						open_pair, close_pair),
		cmocka_unit_test_setup_teardown(test_a_closed_peer_is_the_end, open_pair,
						close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
