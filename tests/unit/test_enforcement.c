/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/targets/enforcement.h"

#include <errno.h>
#include <string.h>

#include "common/clock.h"
#include "common/memory.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/targets/target.h"
#include "daemon/core/targets/watch.h"
#include "daemon/core/workers/broker_client.h"
#include "tests/unit/cmocka_all.h"

#define CPU    (1U << EVENT_CPU)
#define OFFCPU (1U << EVENT_OFFCPU)

/* In place of the sampler: its sets, with one process and one cgroup at most. */
static struct sampler_settings settings;
static struct profiled process, cgroup;
static int has_process, is_active, names_cleared;
static uint64_t cgroup_id; /* 0: none */

struct sampler_settings *sampler_settings(struct sampler *sampler)
{
	(void)sampler;
	return &settings;
}

int sampler_set_process(struct sampler *sampler, uint32_t pid, const struct profiled *profiled)
{
	(void)sampler;
	assert_int_equal(pid, 77);
	process = *profiled;
	return 0;
}

void sampler_remove_process(struct sampler *sampler, uint32_t pid)
{
	(void)sampler;
	assert_int_equal(pid, 77);
	has_process = 0;
}

void sampler_each_process(const struct sampler *sampler,
			  void (*visit)(void *context, uint32_t pid,
					const struct profiled *profiled),
			  void *context)
{
	const struct profiled copy = process;

	(void)sampler;
	if (has_process)
		visit(context, 77, &copy);
}

void sampler_clear_names(struct sampler *sampler)
{
	(void)sampler;
	names_cleared++;
}

int sampler_set_cgroup(struct sampler *sampler, uint64_t id, const struct profiled *profiled)
{
	(void)sampler;
	cgroup_id = id;
	cgroup = *profiled;
	return 0;
}

void sampler_remove_cgroup(struct sampler *sampler, uint64_t id)
{
	(void)sampler;
	if (id == cgroup_id)
		cgroup_id = 0;
}

void sampler_set_active(struct sampler *sampler, int is_wanted)
{
	(void)sampler;
	is_active = is_wanted;
}

/* In place of broker and watch: what they were asked, and who waits. */
static struct {
	broker_done *done;
	void *context;
} questions[8];
static size_t question_count;
static uint64_t rate_asked;
static uint32_t events_asked;
static double budget_asked;

static void remember(broker_done *done, void *context)
{
	assert_true(question_count < ARRAY_SIZE(questions));
	questions[question_count].done = done;
	questions[question_count++].context = context;
}

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_int_equal(request->type, BROKER_SET_RATE);
	rate_asked = request->value;
	remember(done, context);
}

void watch_want(struct watch *watch, uint32_t events, broker_done *done, void *context)
{
	(void)watch;
	events_asked = events;
	remember(done, context);
}

void watch_set_budget(struct watch *watch, double percent)
{
	(void)watch;
	budget_asked = percent;
}

static struct target first, second;

static int set_up(void **state)
{
	settings = (struct sampler_settings){0};
	process = cgroup = (struct profiled){0};
	has_process = is_active = names_cleared = 0;
	cgroup_id = rate_asked = 0;
	events_asked = 0;
	budget_asked = 0;
	question_count = 0;
	first = (struct target){.number = 1, .events = CPU, .rate_hz = 100, .budget_percent = 1};
	second = (struct target){.number = 2, .events = CPU, .rate_hz = 400, .budget_percent = 2};
	*state = enforcement_new(NULL, NULL, NULL);
	return 0;
}

static int tear_down(void **state)
{
	enforcement_free(*state);
	return 0;
}

static void apply(struct enforcement *enforcement, uint32_t count)
{
	struct target *targets[] = {&first, &second};

	enforcement_apply(enforcement, targets, count);
}

/* Broker and watch have done what they were asked. */
static void answer_all(int error)
{
	size_t count = question_count;

	question_count = 0;
	for (size_t i = 0; i < count; i++)
		questions[i].done(questions[i].context, error, NULL, 0);
}

static void count_up(void *context)
{
	++*(int *)context;
}

static void test_the_kernel_samples_at_the_highest_rate_and_keeps_shares(void **state)
{
	struct enforcement *enforcement = *state;

	apply(enforcement, 2);
	assert_int_equal(enforcement_rate_hz(enforcement), 400);
	assert_int_equal(rate_asked, 400);
	assert_int_equal(settings.interval_ns, NS_PER_SECOND / 400);
	assert_true(is_active);
	assert_int_equal(enforcement_profile(enforcement, &first).keep, UINT32_MAX / 4);
	assert_int_equal(enforcement_profile(enforcement, &second).keep, UINT32_MAX);
	assert_int_equal(enforcement_profile(enforcement, &second).target, 2);
}

static void test_what_is_stopped_or_not_about_the_cpu_needs_no_rate(void **state)
{
	struct enforcement *enforcement = *state;

	second.state = TARGET_STOPPED;
	apply(enforcement, 2);
	assert_int_equal(enforcement_rate_hz(enforcement), 100);
	assert_int_equal(enforcement_profile(enforcement, &second).keep, 0);
	assert_int_equal(enforcement_profile(enforcement, &second).events, 0);
	first.events = OFFCPU;
	apply(enforcement, 2);
	assert_int_equal(enforcement_rate_hz(enforcement), 0);
	assert_int_equal(settings.interval_ns, 0);
	assert_true(is_active); /* for the watch */
	first.state = TARGET_EXITED;
	apply(enforcement, 2);
	assert_false(is_active);
	assert_int_equal(events_asked, 0);
}

static void test_hooks_cost_what_the_target_that_pays_most_allows(void **state)
{
	struct enforcement *enforcement = *state;

	apply(enforcement, 2);
	assert_true(budget_asked == 0); /* nobody wants hooks */
	first.events = CPU | OFFCPU;
	apply(enforcement, 2);
	assert_int_equal(events_asked, CPU | OFFCPU);
	assert_true(budget_asked == 1);
	second.events = OFFCPU;
	apply(enforcement, 2);
	assert_true(budget_asked == 2);
	first.budget_percent = 3;
	apply(enforcement, 2);
	assert_true(budget_asked == 3);
}

static void test_only_changes_are_asked_for(void **state)
{
	struct enforcement *enforcement = *state;

	apply(enforcement, 2);
	assert_int_equal(question_count, 2); /* rate and events */
	answer_all(0);
	apply(enforcement, 2);
	assert_int_equal(question_count, 0);
	assert_int_equal(settings.generation, 2); /* sets may have changed all the same */
	second.rate_hz = 50;
	apply(enforcement, 2);
	assert_int_equal(question_count, 1);
	assert_int_equal(rate_asked, 100);
	answer_all(0);
	enforcement_renew_rate(enforcement);
	assert_int_equal(question_count, 1);
}

static void test_who_waits_is_told_when_all_is_done(void **state)
{
	struct enforcement *enforcement = *state;
	int count = 0;

	enforcement_when_done(enforcement, count_up, &count);
	assert_int_equal(count, 1);
	apply(enforcement, 1);
	enforcement_when_done(enforcement, count_up, &count);
	enforcement_when_done(enforcement, count_up, &count);
	assert_int_equal(question_count, 2);
	question_count = 1;
	answer_all(0);
	assert_int_equal(count, 1);
	questions[0] = questions[1];
	question_count = 1;
	answer_all(-EPERM); /* it is over then, too */
	assert_int_equal(count, 3);
}

static void test_a_process_follows_its_target(void **state)
{
	struct enforcement *enforcement = *state;

	has_process = 1;
	process = (struct profiled){
		.target = 1, .keep = 5, .start_time_ns = 99, .flags = PROFILED_EXITED};
	first.follows_children = 1;
	apply(enforcement, 2);
	assert_int_equal(process.keep, UINT32_MAX / 4);
	assert_int_equal(process.start_time_ns, 99);
	/* What the kernel noted about it stays. */
	assert_int_equal(process.flags, PROFILED_EXITED | PROFILED_FOLLOW);
	first.state = TARGET_STOPPED;
	apply(enforcement, 2);
	assert_int_equal(process.keep, 0);
	assert_true(has_process);
	first.number = 3; /* the target is gone */
	apply(enforcement, 2);
	assert_false(has_process);
}

static void test_targets_without_a_pid_become_sets(void **state)
{
	struct enforcement *enforcement = *state;

	first.kind = TARGET_ALL;
	second.kind = TARGET_CGROUP;
	second.cgroup_id = 4711;
	apply(enforcement, 2);
	assert_int_equal(settings.all.target, 1);
	assert_int_equal(settings.all.keep, UINT32_MAX / 4);
	assert_int_equal(cgroup_id, 4711);
	assert_int_equal(cgroup.target, 2);
	assert_int_equal(settings.match_cgroups, 1);
	assert_int_equal(settings.match_names, 0);
	first.kind = TARGET_NAME;
	second.state = TARGET_STOPPED;
	apply(enforcement, 2);
	assert_int_equal(settings.all.keep, 0);
	assert_int_equal(settings.match_names, 1);
	assert_int_equal(settings.match_cgroups, 0);
	assert_int_equal(cgroup_id, 0);
	assert_int_equal(names_cleared, 2); /* each name is judged anew */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_the_kernel_samples_at_the_highest_rate_and_keeps_shares),
		TEST(test_what_is_stopped_or_not_about_the_cpu_needs_no_rate),
		TEST(test_hooks_cost_what_the_target_that_pays_most_allows),
		TEST(test_only_changes_are_asked_for),
		TEST(test_who_waits_is_told_when_all_is_done),
		TEST(test_a_process_follows_its_target),
		TEST(test_targets_without_a_pid_become_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
