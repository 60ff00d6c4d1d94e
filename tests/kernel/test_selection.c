/* SPDX-License-Identifier: Apache-2.0 */
/* Who is sampled, and what a sample then weighs, on the real kernel. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/memory.h"
#include "tests/kernel/kernel_fixture.h"
#include "tests/unit/cmocka_all.h"

#define RATE_HZ   999
#define SKIP_EXIT 77

/* A name that nothing else on the machine has. */
static const char own_name[RECORD_NAME_BYTES] = "flame-selected";

static struct kernel_fixture *fixture;
static pid_t child = -1;
static size_t first_record; /* of the test at hand */

static void start_burning(void)
{
	first_record = fixture->record_count;
	child = fork();
	if (child)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, own_name);
	for (volatile unsigned int i = 0;; i++)
		;
}

/* The same, and say how it is to be sampled. */
static void start_profiled(const struct profiled *profiled)
{
	uint32_t pid;

	start_burning();
	pid = (uint32_t)child;
	assert_int_equal(
		bpf_map_update_elem(fixture->fds[BROKER_FD_PROCESSES], &pid, profiled, BPF_ANY), 0);
}

static int reset(void **state)
{
	char key[RECORD_NAME_BYTES];

	(void)state;
	kernel_fixture_set_rate(fixture, 0);
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	child = -1;
	memcpy(key, own_name, sizeof(key));
	bpf_map_delete_elem(fixture->fds[BROKER_FD_NAMES], key);
	memset(&fixture->settings->all, 0, sizeof(fixture->settings->all));
	fixture->settings->match_names = 0;
	fixture->settings->match_cgroups = 0;
	kernel_fixture_drain(fixture);
	return 0;
}

struct seen {
	size_t samples, pending;
	uint64_t weight;
	uint32_t target;
};

/* What was seen of the child since the test began, or since the last call. */
static struct seen look(void)
{
	struct seen seen = {0};

	for (size_t i = first_record; i < fixture->record_count; i++) {
		const struct record_sample *sample = (const void *)fixture->records[i];

		if (sample->header.type != RECORD_SAMPLE || sample->pid != (uint32_t)child)
			continue;
		seen.samples++;
		seen.pending += !!(sample->flags & SAMPLE_PENDING);
		seen.weight += sample->weight;
		seen.target = sample->target;
	}
	return seen;
}

static void forget(void)
{
	kernel_fixture_drain(fixture);
	first_record = fixture->record_count;
}

static void judge_name(uint32_t keep, uint32_t flags)
{
	struct profiled verdict = {.keep = keep, .flags = flags};

	assert_int_equal(
		bpf_map_update_elem(fixture->fds[BROKER_FD_NAMES], own_name, &verdict, BPF_ANY), 0);
}

static void test_names_that_nobody_judged_are_pending(void **state)
{
	uint64_t pending = kernel_fixture_counter(fixture, KERNEL_COUNTER_PENDING);
	struct seen seen;

	(void)state;
	start_burning();
	fixture->settings->match_names = 1;
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, look().pending >= 10);
	seen = look();
	assert_int_equal(seen.samples, seen.pending);
	assert_true(kernel_fixture_counter(fixture, KERNEL_COUNTER_PENDING) >= pending + 10);

	judge_name(0, PROFILED_NOT);
	/* What was under way as the verdict came may still be pending. */
	wait_for_work(fixture, child, NS_PER_SECOND / 20);
	forget();
	wait_for_work(fixture, child, NS_PER_SECOND / 20);
	kernel_fixture_drain(fixture);
	assert_int_equal(look().samples, 0);

	judge_name(UINT32_MAX, 0);
	forget();
	wait_until(fixture, look().samples >= 10);
	assert_int_equal(look().pending, 0);
}

static void test_a_share_of_the_samples_weighs_as_much_as_all(void **state)
{
	struct profiled profiled = {.keep = UINT32_MAX / 4, .target = 3};
	uint64_t began_ns, spent_ns;
	struct seen seen;

	(void)state;
	start_profiled(&profiled);
	kernel_fixture_set_rate(fixture, 4999);
	began_ns = kernel_fixture_cpu_ns(child);
	wait_until(fixture, look().samples >= 1500);
	kernel_fixture_set_rate(fixture, 0);
	spent_ns = kernel_fixture_cpu_ns(child) - began_ns;
	kernel_fixture_drain(fixture);
	seen = look();
	assert_int_equal(seen.target, 3);
	assert_int_equal(seen.weight / seen.samples,
			 (uint64_t)(NS_PER_SECOND / 4999) * UINT32_MAX / (UINT32_MAX / 4));
	/* Four standard deviations of what chance does, and what interrupts cost the child. */
	if ((double)seen.weight < 0.85 * (double)spent_ns ||
	    (double)seen.weight > 1.15 * (double)spent_ns)
		fail_msg("%zu samples weigh %.3f s of %.3f s", seen.samples,
			 (double)seen.weight / 1e9, (double)spent_ns / 1e9);
}

static void test_the_highest_share_counts(void **state)
{
	struct profiled profiled = {.keep = 1000, .target = 3};

	(void)state;
	start_profiled(&profiled);
	fixture->settings->all = (struct profiled){.keep = UINT32_MAX};
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, look().samples >= 20);
	assert_int_equal(look().weight / look().samples, NS_PER_SECOND / RATE_HZ);
	assert_int_equal(look().target, 3); /* the one of those that apply that has a number */
}

static void test_the_daemon_is_never_sampled(void **state)
{
	struct profiled never = {.flags = PROFILED_NOT};

	(void)state;
	start_profiled(&never);
	fixture->settings->all = (struct profiled){.keep = UINT32_MAX};
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_for_work(fixture, child, NS_PER_SECOND / 10);
	kernel_fixture_drain(fixture);
	assert_int_equal(look().samples, 0);
}

static void test_an_entry_of_an_earlier_process_is_not_applied(void **state)
{
	struct profiled stale = {.keep = UINT32_MAX, .start_time_ns = START_TIME_TICK_NS};

	(void)state;
	start_profiled(&stale);
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_for_work(fixture, child, NS_PER_SECOND / 10);
	kernel_fixture_drain(fixture);
	assert_int_equal(look().samples, 0);
}

static int write_text(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(path, "we");

	return file && fputs(text, file) >= 0 && !fflush(file) ? 0 : -EIO;
}

static void test_processes_below_a_cgroup_are_found(void **state)
{
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	_cleanup_free_ char *outer = NULL, *inner = NULL, *members = NULL, *pid_text = NULL;
	struct profiled profiled = {.keep = UINT32_MAX, .target = 9};
	struct stat status;
	uint64_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(roots) && !outer; i++) {
		_cleanup_free_ char *mark = memory_format("%s/cgroup.procs", roots[i]);

		if (access(mark, F_OK) == 0)
			outer = memory_format("%s/flame-test-%d", roots[i], getpid());
	}
	if (!outer)
		skip();
	inner = memory_format("%s/inner", outer);
	members = memory_format("%s/cgroup.procs", inner);
	if (mkdir(outer, 0755) || mkdir(inner, 0755))
		skip();
	start_burning();
	pid_text = memory_format("%d", child);
	assert_int_equal(write_text(members, pid_text), 0);
	assert_int_equal(stat(outer, &status), 0);
	id = status.st_ino;
	assert_int_equal(
		bpf_map_update_elem(fixture->fds[BROKER_FD_CGROUPS], &id, &profiled, BPF_ANY), 0);
	fixture->settings->match_cgroups = 1;
	kernel_fixture_set_rate(fixture, RATE_HZ);
	wait_until(fixture, look().samples >= 10);
	assert_int_equal(look().target, 9);
	reset(state);
	bpf_map_delete_elem(fixture->fds[BROKER_FD_CGROUPS], &id);
	poll_until((void)0, !rmdir(inner) || errno != EBUSY);
	rmdir(outer);
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
#define behaviour(test) cmocka_unit_test_teardown(test, reset)
		behaviour(test_names_that_nobody_judged_are_pending),
		behaviour(test_a_share_of_the_samples_weighs_as_much_as_all),
		behaviour(test_the_highest_share_counts),
		behaviour(test_the_daemon_is_never_sampled),
		behaviour(test_an_entry_of_an_earlier_process_is_not_applied),
		behaviour(test_processes_below_a_cgroup_are_found),
	};

	if (geteuid()) {
		puts("needs root: loads kernel programs");
		return getenv("FLAME_MUST_RUN") ? 1 : SKIP_EXIT;
	}
	return cmocka_run_group_tests(tests, start, stop);
}
