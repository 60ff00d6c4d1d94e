/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/access.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

static const struct access_peer user = {.uid = 1000, .gid = 1000, .level = ACCESS_LEVEL_OWN};
static const struct access_peer root = {.uid = 0, .gid = 0, .level = ACCESS_LEVEL_ALL};
static const struct access_peer member = {.uid = 1001, .gid = 1001, .level = ACCESS_LEVEL_ALL};

static const struct access_process own = {
	.uids = {1000, 1000, 1000, 1000},
	.gids = {1000, 1000, 1000, 1000},
	.proc_owner = 1000,
};

static void test_own_processes_are_those_of_which_every_id_is_the_peers(void **state)
{
	(void)state;
	assert_int_equal(access_judge_process(&user, &own), ACCESS_ALLOWED);
	for (int i = 0; i < 4; i++) {
		struct access_process process = own;

		process.uids[i] = 0;
		assert_int_equal(access_judge_process(&user, &process), ACCESS_RULE_OWN_PROCESS);
		process = own;
		process.gids[i] = 42; /* setgid */
		assert_int_equal(access_judge_process(&user, &process), ACCESS_RULE_OWN_PROCESS);
	}
}

static void test_privileged_processes_are_for_level_all(void **state)
{
	struct access_process capable = own;
	struct access_process undumpable = own;

	(void)state;
	capable.permitted_capabilities = 1 << 13;
	undumpable.proc_owner = 0;
	assert_int_equal(access_judge_process(&user, &capable), ACCESS_RULE_UNPRIVILEGED);
	assert_int_equal(access_judge_process(&user, &undumpable), ACCESS_RULE_UNPRIVILEGED);
	assert_int_equal(access_judge_process(&root, &capable), ACCESS_ALLOWED);
	assert_int_equal(access_judge_process(&member, &undumpable), ACCESS_ALLOWED);
}

static void test_targets_and_samples_belong_to_a_user(void **state)
{
	(void)state;
	assert_int_equal(access_judge_target(&user, 1000), ACCESS_ALLOWED);
	assert_int_equal(access_judge_target(&user, 0), ACCESS_RULE_OWN_TARGET);
	assert_int_equal(access_judge_target(&root, 1000), ACCESS_ALLOWED);
	assert_int_equal(access_judge_samples(&user, 1000), ACCESS_ALLOWED);
	assert_int_equal(access_judge_samples(&user, UINT32_MAX), ACCESS_RULE_OWN_SAMPLES);
	assert_int_equal(access_judge_samples(&member, UINT32_MAX), ACCESS_ALLOWED);
}

static void test_levels_and_kernel_frames(void **state)
{
	(void)state;
	assert_int_equal(access_judge_level(&user, ACCESS_LEVEL_OWN), ACCESS_ALLOWED);
	assert_int_equal(access_judge_level(&user, ACCESS_LEVEL_ALL), ACCESS_RULE_METHOD);
	assert_int_equal(access_judge_level(&root, ACCESS_LEVEL_ALL), ACCESS_ALLOWED);
	assert_int_equal(access_judge_kernel_frames(&user), ACCESS_RULE_USER_FRAMES);
	assert_int_equal(access_judge_kernel_frames(&member), ACCESS_ALLOWED);
}

static void test_every_rule_has_a_name_and_a_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < ACCESS_RULE_COUNT; i++) {
		assert_true(strlen(access_rule_name((enum access_rule)i)) > 0);
		assert_true(strlen(access_rule_text((enum access_rule)i)) > 10);
	}
}

#define STATUS_REST                                \
	"Groups:\t0 \nCapInh:\t0000000000000000\n" \
	"CapPrm:\t00000000a80425fb\nCapEff:\t0000000000000000\n"

static void test_status_is_parsed_line_by_line(void **state)
{
	static const struct {
		const char *status;
		int error;
	} cases[] = {
		{"Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n" STATUS_REST, 0},
		/* The kernel escapes the newline of a forged name. */
		{"Name:\tx\\nUid:\t0\t0\t0\t0\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n" STATUS_REST,
		 0},
		{"Name:\tx\nGid:\t5\t6\t7\t8\n" STATUS_REST, -EINVAL},
		{"Uid:\t1\t2\t3\nGid:\t5\t6\t7\t8\n" STATUS_REST, -EINVAL},
		{"Uid:\t1\t2\t3\t4294967296\nGid:\t5\t6\t7\t8\n" STATUS_REST, -ERANGE},
		{"Uid:\t1\t2\t3\t-4\nGid:\t5\t6\t7\t8\n" STATUS_REST, -EINVAL},
		{"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t12\n", -EINVAL},
		{"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t", -EINVAL},
		{"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8", -EINVAL},
		{"", -EINVAL},
		{"Uid:", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct access_process process = {.proc_owner = 9};
		size_t length = strlen(cases[i].status);

		assert_int_equal(access_process_parse(cases[i].status, length, &process),
				 cases[i].error);
		assert_int_equal(process.uids[0], cases[i].error ? 0 : 1);
		assert_int_equal(process.gids[3], cases[i].error ? 0 : 8);
		assert_int_equal(process.permitted_capabilities, cases[i].error ? 0 : 0xa80425fb);
		assert_int_equal(process.proc_owner, 9);
	}
}

static void test_a_status_cut_anywhere_is_refused(void **state)
{
	static const char status[] =
		"Uid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nCapPrm:\t00000000a80425fb\n";

	(void)state;
	for (size_t length = 0; length < sizeof(status) - 1; length++) {
		struct access_process process;

		memset(&process, 0, sizeof(process));
		assert_int_not_equal(access_process_parse(status, length, &process), 0);
	}
}

static void test_the_own_process_is_read(void **state)
{
	struct access_process process;

	(void)state;
	assert_int_equal(access_process_read(getpid(), &process), 0);
	assert_int_equal(process.uids[1], geteuid());
	assert_int_equal(process.gids[0], getgid());
	assert_int_equal(access_process_read(0x7ffffff0, &process), -ESRCH);
}

static void test_a_peer_is_who_the_kernel_says(void **state)
{
	struct access_peer peer;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(access_peer_read(fds[0], ACCESS_NO_GROUP, &peer), 0);
	assert_int_equal(peer.uid, geteuid());
	assert_int_equal(peer.pid, getpid());
	assert_string_equal(peer.comm, "test_access");
	assert_int_equal(peer.level, geteuid() == 0 ? ACCESS_LEVEL_ALL : ACCESS_LEVEL_OWN);
	assert_int_equal(access_peer_read(fds[0], getegid(), &peer), 0);
	assert_int_equal(peer.level, ACCESS_LEVEL_ALL);
	close(fds[0]);
	close(fds[1]);
	assert_true(access_peer_read(fds[0], ACCESS_NO_GROUP, &peer) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_processes_are_those_of_which_every_id_is_the_peers),
		cmocka_unit_test(test_privileged_processes_are_for_level_all),
		cmocka_unit_test(test_targets_and_samples_belong_to_a_user),
		cmocka_unit_test(test_levels_and_kernel_frames),
		cmocka_unit_test(test_every_rule_has_a_name_and_a_sentence),
		cmocka_unit_test(test_status_is_parsed_line_by_line),
		cmocka_unit_test(test_a_status_cut_anywhere_is_refused),
		cmocka_unit_test(test_the_own_process_is_read),
		cmocka_unit_test(test_a_peer_is_who_the_kernel_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
