/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_info.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bpf/record.h"
#include "daemon/core/processes/cgroup_table.h"
#include "tests/unit/cmocka_all.h"

#define TAIL \
	" S 41 42 42 0 -1 4194560 10 0 0 0 7 5 0 0 20 0 1 0 9876 1000000 250 18446744073709551615"

static int parse(const char *text, struct process_info *info)
{
	*info = (struct process_info){0};
	return process_info_parse_stat(text, strlen(text), info);
}

static void test_stat_is_read_behind_the_last_parenthesis(void **state)
{
	static const char *const names[] = {"redis-server", "a b", ") R 1 1 1", "x) S (y", "a\nb"};
	struct process_info info;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "42 (%s)" TAIL "\n", names[i]);
		assert_int_equal(parse(text, &info), 0);
		assert_int_equal(info.pid, 42);
		assert_int_equal(info.parent_pid, 41);
		assert_int_equal(info.cpu_ns, 12 * START_TIME_TICK_NS);
		assert_int_equal(info.start_time_ns, 9876 * START_TIME_TICK_NS);
		assert_int_equal(info.rss_bytes, 250 * sysconf(_SC_PAGESIZE));
		assert_false(info.is_kernel_thread);
	}
	assert_string_equal(info.name, "a?b");
}

static void test_kernel_threads_and_zombies_are_told(void **state)
{
	struct process_info info;

	(void)state;
	assert_int_equal(
		parse("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 1 0 0 20 0 1 0 3 0 0 0", &info),
		0);
	assert_true(info.is_kernel_thread);
	assert_int_equal(
		parse("9 (x) Z 1 0 0 0 -1 4194560 0 0 0 0 0 1 0 0 20 0 1 0 3 0 0 0", &info), 0);
	assert_true(info.is_zombie);
}

static void test_bad_stat_is_refused_wherever_it_is_cut(void **state)
{
	static const char whole[] = "42 (name)" TAIL;
	struct process_info info;

	(void)state;
	for (size_t length = 0; length + 30 < sizeof(whole); length++)
		assert_int_equal(process_info_parse_stat(whole, length, &info), -EBADMSG);
	assert_int_equal(parse("(", &info), -EBADMSG);
	assert_int_equal(parse(")(", &info), -EBADMSG);
	assert_int_equal(parse("x (a) S 1", &info), -EBADMSG);
}

static void test_own_process_is_found_and_others_are_not(void **state)
{
	struct process_info info;

	(void)state;
	assert_int_equal(process_info_read((uint32_t)getpid(), &info), 0);
	assert_int_equal(info.pid, getpid());
	assert_int_equal(info.parent_pid, getppid());
	assert_int_equal(process_info_read(0x3fffffff, &info), -ESRCH);
	uint64_t cpu_ns = 0;
	assert_int_equal(process_info_read_cpu_ns((uint32_t)getpid(), &cpu_ns), 0);
	assert_true(cpu_ns > 0 && cpu_ns < UINT64_C(60000000000));
}

static void test_the_unified_cgroup_is_the_line_that_counts(void **state)
{
	static const char text[] = "12:cpu:/a\n1:name=systemd:/b\n0::/system.slice/x.service\n";
	char path[64];

	(void)state;
	assert_int_equal(process_info_parse_cgroup(text, strlen(text), path, sizeof(path)), 0);
	assert_string_equal(path, "/system.slice/x.service");
	assert_int_equal(process_info_parse_cgroup("1:cpu:/a\n", 9, path, sizeof(path)), -ENODATA);
}

static void test_a_cgroup_lies_under_its_ancestors_alone(void **state)
{
	(void)state;
	assert_true(cgroup_path_is_under("/a/b", "/a"));
	assert_true(cgroup_path_is_under("/a", "/a"));
	assert_true(cgroup_path_is_under("/a", "/"));
	assert_false(cgroup_path_is_under("/ab", "/a"));
	assert_false(cgroup_path_is_under("/", "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stat_is_read_behind_the_last_parenthesis),
		cmocka_unit_test(test_kernel_threads_and_zombies_are_told),
		cmocka_unit_test(test_bad_stat_is_refused_wherever_it_is_cut),
		cmocka_unit_test(test_own_process_is_found_and_others_are_not),
		cmocka_unit_test(test_the_unified_cgroup_is_the_line_that_counts),
		cmocka_unit_test(test_a_cgroup_lies_under_its_ancestors_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
