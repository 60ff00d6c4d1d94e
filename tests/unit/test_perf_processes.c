/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_processes.h"

#include <string.h>
#include <unistd.h>

#include "daemon/core/processes/process_info.h"
#include "tests/unit/cmocka_all.h"

#define PID  4000000 /* larger than any that exists here */
#define TIME UINT64_C(5000000000)

static struct perf_process *add_with_mapping(struct perf_processes *processes)
{
	struct perf_process *process = perf_processes_add(processes, PID);
	struct mapping mapping = {0x1000, 0x2000, 0, 7, 0};

	process->state = PERF_MAPPINGS_KNOWN;
	process->owner_uid = process->owner_gid = 1000;
	process->owner_ns = TIME;
	mapping_list_add(&process->mappings, &mapping);
	perf_process_rename(process, PID, "parent", strlen("parent"));
	return process;
}

static void test_a_child_is_like_its_parent(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();
	const struct perf_process *parent = add_with_mapping(processes);
	struct perf_process *child = perf_processes_fork(processes, parent, PID + 1, TIME + 1);

	(void)state;
	assert_int_equal(child->pid, PID + 1);
	assert_int_equal(child->parent_pid, PID);
	assert_int_equal(child->start_time_ns, TIME + 1);
	assert_string_equal(child->name, "parent");
	assert_int_equal(child->owner_uid, 1000);
	assert_int_equal(child->mappings.count, 1);
	mapping_list_clear(&child->mappings);
	assert_int_equal(parent->mappings.count, 1);
	assert_ptr_equal(perf_processes_find(processes, PID + 1), child);
}

static void test_what_the_parent_asked_for_does_not_come_to_the_child(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();
	struct perf_process *parent = add_with_mapping(processes);

	(void)state;
	parent->state = PERF_MAPPINGS_ASKED;
	assert_int_equal(perf_processes_fork(processes, parent, PID + 1, TIME)->state,
			 PERF_MAPPINGS_UNREAD);
}

static void test_another_program_has_mappings_and_owner_of_its_own(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();
	struct perf_process *process = add_with_mapping(processes);

	(void)state;
	process->state = PERF_MAPPINGS_UNREAD;
	perf_process_exec(process, TIME + 7);
	assert_int_equal(process->mappings.count, 0);
	assert_int_equal(process->state, PERF_MAPPINGS_KNOWN);
	assert_int_equal(process->exec_ns, TIME + 7);
	assert_int_equal(process->owner_uid, RECORD_NO_OWNER);
	assert_int_equal(process->owner_ns, 0);
	assert_int_equal(process->owner_since_ns, TIME + 7);
}

static void test_names_are_cut_and_kept_by_thread(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();
	struct perf_process *process = add_with_mapping(processes);

	(void)state;
	perf_process_rename(process, PID, "a name that is too long", 23);
	assert_string_equal(process->name, "a name that is ");
	/* A thread that nobody sampled is not remembered; one that is gone is called as its process. */
	perf_process_rename(process, PID + 5, "worker", 6);
	assert_string_equal(perf_process_thread_name(process, PID + 5), "a name that is ");
	perf_process_rename(process, PID + 5, "worker", 6);
	assert_string_equal(perf_process_thread_name(process, PID + 5), "worker");
	assert_string_equal(perf_process_thread_name(process, PID), "a name that is ");
}

static void test_the_last_samples_of_a_process_still_find_it(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();

	(void)state;
	add_with_mapping(processes);
	assert_true(perf_process_exit(perf_processes_find(processes, PID), PID));
	perf_processes_end(processes, PID);
	perf_processes_sweep(processes);
	assert_non_null(perf_processes_find(processes, PID));
	perf_processes_sweep(processes);
	assert_null(perf_processes_find(processes, PID));
}

static void test_a_new_process_with_the_pid_of_an_ended_one_stays(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();

	(void)state;
	add_with_mapping(processes);
	perf_processes_end(processes, PID);
	perf_processes_add(processes, PID);
	perf_processes_sweep(processes);
	perf_processes_sweep(processes);
	assert_non_null(perf_processes_find(processes, PID));
}

static void test_who_was_there_before_is_met_through_proc(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();
	uint32_t pid = (uint32_t)getpid();
	struct perf_process *process = perf_processes_meet(processes, pid);
	struct process_info info;

	(void)state;
	assert_non_null(process);
	assert_int_equal(process_info_read(pid, &info), 0);
	assert_int_equal(process->start_time_ns, info.start_time_ns);
	assert_int_equal(process->parent_pid, getppid());
	assert_int_equal(process->state, PERF_MAPPINGS_UNREAD);
	assert_string_equal(process->name, "test_perf_proce");
	assert_ptr_equal(perf_processes_meet(processes, pid), process);
	assert_null(perf_processes_meet(processes, PID));
	/* Its first thread goes on, whatever the others do. */
	assert_false(perf_process_exit(process, pid + 1));
}

static void test_many_come_and_go(void **state)
{
	_cleanup_(perf_processes_freep) struct perf_processes *processes = perf_processes_new();

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		perf_processes_add(processes, PID + i);
	for (uint32_t i = 0; i < 1000; i += 2)
		perf_processes_remove(processes, PID + i);
	for (uint32_t i = 0; i < 1000; i++) {
		const struct perf_process *process = perf_processes_find(processes, PID + i);

		assert_int_equal(process != NULL, i % 2);
		if (process)
			assert_int_equal(process->pid, PID + i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_is_like_its_parent),
		cmocka_unit_test(test_what_the_parent_asked_for_does_not_come_to_the_child),
		cmocka_unit_test(test_another_program_has_mappings_and_owner_of_its_own),
		cmocka_unit_test(test_names_are_cut_and_kept_by_thread),
		cmocka_unit_test(test_the_last_samples_of_a_process_still_find_it),
		cmocka_unit_test(test_a_new_process_with_the_pid_of_an_ended_one_stays),
		cmocka_unit_test(test_who_was_there_before_is_met_through_proc),
		cmocka_unit_test(test_many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
