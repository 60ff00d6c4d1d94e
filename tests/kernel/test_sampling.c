/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel programs and the broker on the real kernel, without the core. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "tests/kernel/kernel_fixture.h"
#include "tests/unit/cmocka_all.h"

#define RATE_HZ   499
#define SKIP_EXIT 77

static struct kernel_fixture *fixture;
static pid_t children[8];
static size_t child_count;

#define leaf_function __attribute__((noinline, noclone))

/* Each round waits for the one before, so a round takes as long in one function as in the other. */
leaf_function static void hot(void)
{
	for (volatile int i = 0; i < 70000; i++)
		;
}

leaf_function static void warm(void)
{
	for (volatile int i = 0; i < 30000; i++)
		;
}

static void burn_shares(void)
{
	for (;;) {
		hot();
		warm();
	}
}

/* Fork a child that dies with the test and does work, which must not return. */
static pid_t start_child(void (*work)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work();
		_exit(1);
	}
	children[child_count++] = pid;
	return pid;
}

static int stop_children(void **state)
{
	(void)state;
	kernel_fixture_set_rate(fixture, 0);
	while (child_count) {
		kill(children[--child_count], SIGKILL);
		waitpid(children[child_count], NULL, 0);
	}
	kernel_fixture_drain(fixture);
	return 0;
}

static size_t leaf_count(pid_t pid, uint64_t frame, uint64_t next)
{
	size_t count = 0;

	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)pid ||
		    sample->kernel_count || !sample->user_count)
			continue;
		count += sample->frames[0] >= frame && sample->frames[0] < next;
	}
	return count;
}

static void test_shares_of_functions_are_those_of_the_work(void **state)
{
	pid_t pid = start_child(burn_shares);

	(void)state;
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, kernel_fixture_count(fixture, RECORD_SAMPLE, pid) >= 800);

	/* The functions are a few instructions long, and nothing else runs. */
	uint64_t hot_frame = kernel_fixture_frame(fixture, (const void *)(uintptr_t)hot);
	uint64_t warm_frame = kernel_fixture_frame(fixture, (const void *)(uintptr_t)warm);
	uint64_t middle = hot_frame < warm_frame ? warm_frame : hot_frame;
	size_t below = leaf_count(pid, middle - 128, middle);
	size_t above = leaf_count(pid, middle, middle + 128);
	size_t in_hot = hot_frame < warm_frame ? below : above;
	size_t in_warm = hot_frame < warm_frame ? above : below;
	double share = (double)in_hot / (double)(in_hot + in_warm);

	assert_true(frame_module(hot_frame) >= MODULE_FIRST_FILE);
	assert_true(in_hot + in_warm > 700);
	if (share < 0.65 || share > 0.75)
		fail_msg("hot has %.1f %% instead of 70 %%", 100 * share);
}

static void test_a_sample_says_whose_it_is(void **state)
{
	pid_t pid = start_child(burn_shares);
	const struct record_sample *sample = NULL;

	(void)state;
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, kernel_fixture_count(fixture, RECORD_SAMPLE, pid) >= 5);
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *candidate = (const void *)fixture->records[i];

		if (candidate->header.type == RECORD_SAMPLE && candidate->pid == (uint32_t)pid)
			sample = candidate;
	}
	assert_non_null(sample);
	assert_int_equal(sample->tid, pid);
	assert_int_equal(sample->parent_pid, getpid());
	assert_int_equal(sample->target, 7);
	assert_int_equal(sample->weight, NS_PER_SECOND / RATE_HZ);
	assert_int_equal(sample->event, EVENT_CPU);
	assert_true(sample->time_ns <= clock_boot_ns() &&
		    sample->time_ns > clock_boot_ns() - PATIENCE_S * NS_PER_SECOND);
	assert_true(sample->start_time_ns < sample->time_ns);
	assert_true(sample->cost_ns > 0 && sample->cost_ns < NS_PER_SECOND);
	/* It holds every capability, so it is nobody's but root's. */
	assert_int_equal(sample->owner_uid, RECORD_NO_OWNER);
	assert_string_equal(sample->process_name, "test_sampling");
}

static void burn_as_nobody(void)
{
	if (setgid(65534) || setuid(65534) || prctl(PR_SET_DUMPABLE, 1) ||
	    prctl(PR_SET_NAME, "an unusual name"))
		_exit(1);
	burn_shares();
}

static void test_the_owner_is_told_when_ptrace_would_be_allowed(void **state)
{
	pid_t pid = start_child(burn_as_nobody);
	const struct record_sample *last = NULL;

	(void)state;
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, kernel_fixture_count(fixture, RECORD_SAMPLE, pid) >= 20);
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		if (sample->header.type == RECORD_SAMPLE && sample->pid == (uint32_t)pid)
			last = sample;
	}
	assert_non_null(last);
	assert_int_equal(last->owner_uid, 65534);
	assert_int_equal(last->owner_gid, 65534);
	assert_string_equal(last->thread_name, "an unusual name");
}

/* Set by the test when what happens from now on counts. */
static volatile int *may_begin;

static void fork_and_exec(void)
{
	while (!*may_begin)
		usleep(1000);
	for (;;) {
		pid_t pid = fork();

		if (!pid) {
			hot();
			execl("/bin/true", "true", (char *)NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
}

static pid_t start_forking(void)
{
	if (!may_begin)
		may_begin = mmap(NULL, sizeof(*may_begin), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(may_begin, MAP_FAILED);
	*may_begin = 0;
	return start_child(fork_and_exec);
}

static const struct record_process *find_process(uint32_t type, uint32_t parent, uint32_t pid)
{
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_process *record = (const void *)fixture->records[i];

		if (record->header.type == type && record->parent_pid == parent &&
		    (!pid || record->pid == pid))
			return record;
	}
	return NULL;
}

static void test_children_are_followed_through_fork_exec_and_exit(void **state)
{
	pid_t pid = start_forking();
	const struct record_process *forked, *executed, *ended;

	(void)state;
	kernel_fixture_profile(fixture, pid, PROFILED_FOLLOW);
	*may_begin = 1;
	wait_until(fixture, (forked = find_process(RECORD_FORK, (uint32_t)pid, 0)) != NULL);
	wait_until(fixture, (executed = find_process(RECORD_EXEC, (uint32_t)pid, forked->pid)));
	wait_until(fixture, (ended = find_process(RECORD_EXIT, (uint32_t)pid, forked->pid)));
	assert_int_equal(forked->target, 7);
	assert_string_equal(forked->process_name, "test_sampling");
	assert_string_equal(executed->process_name, "true");
	assert_true(forked->start_time_ns == executed->start_time_ns &&
		    forked->start_time_ns == ended->start_time_ns);
	assert_true(forked->time_ns < executed->time_ns && executed->time_ns < ended->time_ns);
	assert_true(forked->parent_start_time_ns < forked->start_time_ns);
}

static void test_children_are_not_followed_unless_told(void **state)
{
	pid_t pid = start_forking();

	(void)state;
	kernel_fixture_profile(fixture, pid, 0);
	*may_begin = 1;
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, kernel_fixture_count(fixture, RECORD_SAMPLE, pid) >= 20);
	assert_null(find_process(RECORD_FORK, (uint32_t)pid, 0));
}

static void test_every_sample_taken_is_received_or_counted_as_lost(void **state)
{
	pid_t pids[] = {start_child(burn_shares), start_child(burn_shares)};
	uint64_t samples = 0;

	(void)state;
	kernel_fixture_profile(fixture, pids[0], 0);
	kernel_fixture_profile(fixture, pids[1], 0);
	kernel_fixture_set_rate(fixture, 4999);
	/* Nobody drains: the ring buffer overflows. */
	poll_until((void)0, kernel_fixture_counter(fixture, KERNEL_COUNTER_LOST_RING) >= 100);
	kernel_fixture_set_rate(fixture, 0);
	kernel_fixture_drain(fixture);
	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		samples +=
			sample->header.type == RECORD_SAMPLE && !(sample->flags & SAMPLE_PENDING);
	}
	assert_int_equal(kernel_fixture_counter(fixture, KERNEL_COUNTER_TAKEN),
			 samples + kernel_fixture_counter(fixture, KERNEL_COUNTER_LOST_RING));
}

static void test_a_rate_of_zero_takes_no_samples(void **state)
{
	pid_t pid = start_child(burn_shares);

	(void)state;
	kernel_fixture_profile(fixture, pid, 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, kernel_fixture_count(fixture, RECORD_SAMPLE, pid) >= 5);
	kernel_fixture_set_rate(fixture, 0);

	uint64_t taken = kernel_fixture_counter(fixture, KERNEL_COUNTER_TAKEN);

	wait_for_work(fixture, pid, NS_PER_SECOND / 20);
	assert_int_equal(kernel_fixture_counter(fixture, KERNEL_COUNTER_TAKEN), taken);
}

static void test_the_reader_has_no_rights_and_is_replaced(void **state)
{
	struct broker_request request = {.type = BROKER_START_READER};
	int first, second;
	uid_t uid = 0;

	(void)state;
	assert_int_equal(kernel_fixture_ask(fixture, &request, &first), 0);
	assert_int_equal(send(first, "x", 1, 0), 1);
	assert_int_equal(recv(first, &uid, sizeof(uid), 0), sizeof(uid));
	assert_int_not_equal(uid, 0);
	assert_int_equal(kernel_fixture_ask(fixture, &request, &second), 0);
	assert_int_equal(recv(first, &uid, sizeof(uid), 0), 0); /* killed */
	assert_int_equal(send(second, "x", 1, 0), 1);
	assert_int_equal(recv(second, &uid, sizeof(uid), 0), sizeof(uid));
	close(first);
	close(second);
}

static void set_online(int is_online)
{
	FILE *file = fopen("/sys/devices/system/cpu/cpu1/online", "we");

	if (!file || fputs(is_online ? "1" : "0", file) < 0 || fclose(file))
		fail_msg("CPU 1 cannot be switched");
}

static size_t count_on_cpu(uint16_t cpu, uint64_t since_ns)
{
	size_t count = 0;

	for (size_t i = 0; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		count += sample->header.type == RECORD_SAMPLE && sample->cpu == cpu &&
			 sample->time_ns > since_ns;
	}
	return count;
}

/* Switches a CPU of the machine off and on. */
static void test_a_cpu_that_was_away_is_sampled_again(void **state)
{
	pid_t pids[] = {start_child(burn_shares), start_child(burn_shares)};
	uint64_t back_ns;

	(void)state;
	kernel_fixture_profile(fixture, pids[0], 0);
	kernel_fixture_profile(fixture, pids[1], 0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, count_on_cpu(1, 0) >= 10);
	set_online(0);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	set_online(1);
	back_ns = clock_boot_ns();
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, count_on_cpu(1, back_ns) >= 10);

	/* Away and back between two looks: the event is there, but nothing comes from it. */
	set_online(0);
	uint64_t away_ns = clock_boot_ns();
	wait_until(fixture, count_on_cpu(0, away_ns) >= 10);
	set_online(1);
	back_ns = clock_boot_ns();
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, count_on_cpu(1, back_ns) >= 10);
}

static int start(void **state)
{
	static const struct options options;

	(void)state;
	fixture = kernel_fixture_start(&options);
	return fixture ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	return kernel_fixture_stop(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define behaviour(test) cmocka_unit_test_teardown(test, stop_children)
		behaviour(test_shares_of_functions_are_those_of_the_work),
		behaviour(test_a_sample_says_whose_it_is),
		behaviour(test_the_owner_is_told_when_ptrace_would_be_allowed),
		behaviour(test_children_are_followed_through_fork_exec_and_exit),
		behaviour(test_children_are_not_followed_unless_told),
		behaviour(test_a_rate_of_zero_takes_no_samples),
		behaviour(test_the_reader_has_no_rights_and_is_replaced),
		behaviour(test_every_sample_taken_is_received_or_counted_as_lost),
	};

	/* They change the machine for a moment: only when FLAME_SWITCH_CPUS asks for them. */
	const struct CMUnitTest switching[] = {
		behaviour(test_a_cpu_that_was_away_is_sampled_again),
	};
	int failed;

	if (geteuid()) {
		puts("needs root: loads kernel programs");
		return getenv("FLAME_MUST_RUN") ? 1 : SKIP_EXIT;
	}
	failed = cmocka_run_group_tests(tests, start, stop);
	if (getenv("FLAME_SWITCH_CPUS"))
		failed += cmocka_run_group_tests(switching, start, stop);
	return failed;
}
