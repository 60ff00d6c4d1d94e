/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/descriptors.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define OPENED 8

static int is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/*
 * Open some descriptors, close all but those (a bit each) in a child, and return the bits of those
 * that are open then, and one more where the standard ones are.
 */
static int left_of(unsigned int kept_bits, int with_negative)
{
	int fds[OPENED], kept[OPENED + 1], left = 0, status;
	size_t count = 0;

	for (int i = 0; i < OPENED; i++) {
		fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		assert_true(fds[i] > STDERR_FILENO);
	}
	if (with_negative)
		kept[count++] = -1;
	/* Not in order. */
	for (int i = OPENED - 1; i >= 0; i--)
		if (kept_bits >> i & 1)
			kept[count++] = fds[i];

	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		descriptors_close_others(kept, count);
		for (int i = 0; i < OPENED - 1; i++)
			left |= is_open(fds[i]) << i;
		left |= (is_open(STDIN_FILENO) && is_open(STDERR_FILENO)) << (OPENED - 1);
		_exit(left);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	for (int i = 0; i < OPENED; i++)
		close(fds[i]);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void only_what_is_named_stays_open(void **state)
{
	static const unsigned int cases[] = {0, 0x01, 0x40, 0x15, 0x2a, 0x7f, 0x0c};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(left_of(cases[i], 0), (int)cases[i] | 0x80);
}

static void what_is_negative_stands_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(left_of(0x05, 1), 0x85);
	assert_int_equal(left_of(0, 1), 0x80);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_named_stays_open),
		cmocka_unit_test(what_is_negative_stands_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
