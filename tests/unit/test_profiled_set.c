/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/profiled_set.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

#define START_NS UINT64_C(1000000000000)

static const char wanted[RECORD_NAME_BYTES] = "wanted";
static const char unwanted[RECORD_NAME_BYTES] = "unwanted";

static struct profiled_verdict judge(const struct profiled_set *set, uint32_t pid, const char *name,
				     uint64_t start_time_ns)
{
	static const uint64_t cgroups[] = {100, 200};
	struct profiled_subject subject = {
		.pid = pid, .start_time_ns = start_time_ns, .cgroups = cgroups, .cgroup_count = 2};

	memcpy(subject.name, name, sizeof(subject.name));
	return profiled_set_judge(set, &subject);
}

static void test_nobody_is_profiled_at_first(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();

	(void)state;
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 0);
	assert_false(profiled_set_is_open(set));
}

static void test_a_process_is_profiled_by_pid_and_start_time(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct profiled entry = {.keep = 77, .target = 3, .start_time_ns = START_NS}, found;

	(void)state;
	assert_int_equal(profiled_set_find_process(set, 5, &found), -ENOENT);
	assert_int_equal(profiled_set_add_process(set, 5, &entry), 0);
	assert_int_equal(profiled_set_find_process(set, 5, &found), 0);
	assert_int_equal(found.target, 3);
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 77);
	assert_int_equal(judge(set, 5, wanted, START_NS).target, 3);
	/* What a fork is told of comes a moment later, and may be in the next tick. */
	assert_int_equal(judge(set, 5, wanted, START_NS + START_TIME_TICK_NS).keep, 77);
	assert_int_equal(judge(set, 5, wanted, START_NS - START_TIME_TICK_NS).keep, 77);
	assert_int_equal(judge(set, 5, wanted, START_NS + 1000000000).keep, 0);
	assert_int_equal(judge(set, 6, wanted, START_NS).keep, 0);
	profiled_set_remove_process(set, 5);
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 0);
}

static void test_the_highest_share_counts(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct sampler_settings *settings = profiled_set_settings(set);
	struct profiled low = {.keep = 10, .target = 1}, high = {.keep = 20, .target = 2};

	(void)state;
	settings->all = low;
	assert_true(profiled_set_is_open(set));
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 10);
	settings->match_cgroups = 1;
	assert_int_equal(profiled_set_add_cgroup(set, 200, &high), 0);
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 20);
	assert_int_equal(judge(set, 5, wanted, START_NS).target, 2);
	profiled_set_remove_cgroup(set, 200);
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 10);
}

static void test_a_name_is_pending_until_there_is_a_verdict(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct profiled yes = {.keep = 30, .target = 4}, no = {.flags = PROFILED_NOT};

	(void)state;
	profiled_set_settings(set)->match_names = 1;
	assert_true(judge(set, 5, wanted, START_NS).is_pending);
	profiled_set_add_name(set, wanted, &yes);
	profiled_set_add_name(set, unwanted, &no);
	assert_int_equal(judge(set, 5, wanted, START_NS).keep, 30);
	assert_false(judge(set, 5, wanted, START_NS).is_pending);
	assert_int_equal(judge(set, 5, unwanted, START_NS).keep, 0);
	assert_false(judge(set, 5, unwanted, START_NS).is_pending);
	profiled_set_clear_names(set);
	assert_true(judge(set, 5, unwanted, START_NS).is_pending);
}

static void test_a_kernel_thread_is_part_of_the_whole_host_alone(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct profiled entry = {.keep = 1};
	struct profiled_subject thread = {.pid = 2, .is_kernel_thread = 1};

	(void)state;
	assert_int_equal(profiled_set_add_process(set, 2, &entry), 0);
	profiled_set_settings(set)->match_names = 1;
	assert_int_equal(profiled_set_judge(set, &thread).keep, 0);
	assert_false(profiled_set_judge(set, &thread).is_pending);
	profiled_set_settings(set)->all = entry;
	assert_int_equal(profiled_set_judge(set, &thread).keep, 1);
}

struct visits {
	struct profiled_set *set;
	uint32_t count;
};

static void remove_even(void *context, uint32_t pid, const struct profiled *profiled)
{
	struct visits *visits = context;

	visits->count++;
	assert_int_equal(profiled->target, pid);
	if (pid % 2 == 0)
		profiled_set_remove_process(visits->set, pid);
}

static void test_processes_may_go_while_they_are_visited(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct visits visits = {set, 0};
	struct profiled found;

	(void)state;
	for (uint32_t pid = 1; pid <= 1000; pid++) {
		struct profiled entry = {.keep = 1, .target = pid};

		assert_int_equal(profiled_set_add_process(set, pid, &entry), 0);
	}
	profiled_set_each_process(set, remove_even, &visits);
	assert_int_equal(visits.count, 1000);
	for (uint32_t pid = 1; pid <= 1000; pid++)
		assert_int_equal(profiled_set_find_process(set, pid, &found),
				 pid % 2 ? 0 : -ENOENT);
}

static void test_limits_hold(void **state)
{
	_cleanup_(profiled_set_freep) struct profiled_set *set = profiled_set_new();
	struct profiled entry = {.keep = 1};
	char name[RECORD_NAME_BYTES] = {0};

	(void)state;
	for (uint64_t id = 1; id <= PROFILED_MAX_CGROUPS; id++)
		assert_int_equal(profiled_set_add_cgroup(set, id, &entry), 0);
	assert_int_equal(profiled_set_add_cgroup(set, 0x10000, &entry), -E2BIG);
	for (uint32_t i = 0; i < PROFILED_MAX_NAMES + 10; i++) {
		memcpy(name, &i, sizeof(i));
		profiled_set_add_name(set, name, &entry);
	}
	profiled_set_settings(set)->match_names = 1;
	assert_int_equal(judge(set, 5, name, START_NS).keep, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_is_profiled_at_first),
		cmocka_unit_test(test_a_process_is_profiled_by_pid_and_start_time),
		cmocka_unit_test(test_the_highest_share_counts),
		cmocka_unit_test(test_a_name_is_pending_until_there_is_a_verdict),
		cmocka_unit_test(test_a_kernel_thread_is_part_of_the_whole_host_alone),
		cmocka_unit_test(test_processes_may_go_while_they_are_visited),
		cmocka_unit_test(test_limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
