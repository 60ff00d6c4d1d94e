/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/yardstick.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fd_message.h"
#include "daemon/broker/yardstick_message.h"
#include "tests/unit/cmocka_all.h"

struct fixture {
	pid_t child;
	int socket;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	fixture.child = fork();
	if (fixture.child == 0) {
		close(pair[0]);
		_exit(yardstick_main(pair[1]));
	}
	close(pair[1]);
	fixture.socket = pair[0];
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	int status;

	/* It ends when nobody can ask it any more. */
	close(fixture->socket);
	assert_int_equal(waitpid(fixture->child, &status, 0), fixture->child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return 0;
}

static struct yardstick_reply ask(const struct fixture *fixture, uint32_t cpu_ms, uint32_t wall_ms)
{
	struct yardstick_request request = {cpu_ms, wall_ms};
	struct yardstick_reply reply;
	size_t fd_count = 0;

	assert_int_equal(fd_message_send(fixture->socket, &request, sizeof(request), NULL, 0), 0);
	assert_int_equal(
		fd_message_receive(fixture->socket, &reply, sizeof(reply), NULL, &fd_count),
		sizeof(reply));
	return reply;
}

static void test_a_switch_takes_some_time(void **state)
{
	/* Once more with the same one, as it is done before and after. */
	for (int i = 0; i < 2; i++) {
		struct yardstick_reply reply = ask(*state, 5, 500);

		assert_int_equal(reply.error, 0);
		assert_true(reply.switch_ns > 50);
		assert_true(reply.switch_ns < 1e6);
	}
}

static void test_nobody_has_it_work_for_long(void **state)
{
	assert_int_equal(ask(*state, UINT32_MAX, 1).error, -EINVAL);
	assert_int_equal(ask(*state, 1, UINT32_MAX).error, -EINVAL);
}

static void test_nonsense_ends_it(void **state)
{
	const struct fixture *fixture = *state;
	char byte = 0;

	assert_int_equal(fd_message_send(fixture->socket, &byte, 1, NULL, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_switch_takes_some_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nobody_has_it_work_for_long, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_nonsense_ends_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
