/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_sampler.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/sampling/perf_merge.h"
#include "daemon/core/sampling/profiled_set.h"
#include "daemon/core/sampling/receiver.h"
#include "daemon/core/workers/broker_client.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fixed_world.h"

#define CPUS     3
#define INTERVAL UINT64_C(1000)
#define TARGET   7
#define NOBODY   4194305 /* more than a pid can be */
#define NOW_NS   (UINT64_C(1) << 55)

/* In place of the merged rings: records that the test puts in. */
static struct perf_merged records[8];
static size_t record_count, next_record;
static uint64_t malformed;
static int discard_count;
static uint32_t added[CPUS]; /* how often rings were given for each CPU */

struct perf_merge *perf_merge_new(uint32_t cpu_count, uint64_t fields)
{
	assert_int_equal(cpu_count, CPUS);
	assert_int_equal(fields, PERF_SAMPLE_FIELDS);
	return NULL;
}

void perf_merge_free(struct perf_merge *merge)
{
	(void)merge;
}

int perf_merge_add(struct perf_merge *merge, uint32_t cpu, const int fds[PERF_RING_COUNT])
{
	(void)merge;
	(void)fds;
	added[cpu]++;
	return 0;
}

void perf_merge_look(struct perf_merge *merge)
{
	(void)merge;
}

const struct perf_merged *perf_merge_next(struct perf_merge *merge, uint64_t until_ns)
{
	(void)merge;
	if (next_record == record_count || records[next_record].record.time_ns > until_ns)
		return NULL;
	return &records[next_record++];
}

void perf_merge_release(struct perf_merge *merge)
{
	(void)merge;
	next_record = record_count = 0;
}

void perf_merge_discard(struct perf_merge *merge)
{
	(void)merge;
	discard_count++;
}

uint64_t perf_merge_malformed(const struct perf_merge *merge)
{
	(void)merge;
	return malformed;
}

/* In place of the broker: what it was asked. */
static struct {
	uint32_t type;
	uint32_t cpu; /* BROKER_OPEN_RINGS */
	broker_done *done;
	void *context;
} questions[2 * CPUS];
static size_t question_count;

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_true(question_count < ARRAY_SIZE(questions));
	questions[question_count].type = request->type;
	questions[question_count].cpu = (uint32_t)request->value;
	questions[question_count].done = done;
	questions[question_count++].context = context;
}

/* The last sample that was told, without its frames. */
static union {
	struct record_sample head;
	uint64_t words[sizeof(struct record_sample) / sizeof(uint64_t)];
} told;

struct scene {
	struct event_base *base;
	struct perf_sampler *sampler;
	struct sampler_settings *settings;
	int fds[CPUS][PERF_RING_COUNT];
	int sample_count;
	int malformed_count;
	int readable_count;
};

static void on_sample(void *context, const struct record_sample *sample)
{
	struct scene *scene = context;

	memcpy(&told, sample, sizeof(told));
	scene->sample_count++;
}

static void on_malformed(void *context)
{
	struct scene *scene = context;

	scene->malformed_count++;
}

static void on_readable(void *context)
{
	struct scene *scene = context;

	scene->readable_count++;
	event_base_loopbreak(scene->base);
}

/* Be the broker: answer each question about rings, and none about mappings. */
static void answer_all(struct scene *scene, int rings_error)
{
	for (size_t i = 0; i < question_count; i++) {
		int error = questions[i].type == BROKER_OPEN_RINGS ? rings_error : -ECANCELED;
		int *fds = scene->fds[error ? 0 : questions[i].cpu];

		for (int kind = 0; !error && kind < PERF_RING_COUNT; kind++)
			fds[kind] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		questions[i].done(questions[i].context, error, fds, error ? 0 : PERF_RING_COUNT);
	}
	question_count = 0;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	const struct sampler_receiver receiver = {
		.context = scene, .on_sample = on_sample, .on_malformed = on_malformed};
	const struct broker_hello hello = {.cpu_count = CPUS, .perf_fields = PERF_SAMPLE_FIELDS};

	fixed_world = (struct fixed_world){.now_ns = NOW_NS};
	record_count = next_record = question_count = 0;
	malformed = 0;
	discard_count = 0;
	memset(added, 0, sizeof(added));
	scene->base = event_base_new();
	scene->sampler = perf_sampler_new(&(struct perf_sampler_setup){
		.base = scene->base,
		.hello = &hello,
		.receiver = &receiver,
		.on_readable = on_readable,
		.context = scene,
	});
	scene->settings = profiled_set_settings(perf_sampler_profiled(scene->sampler));
	scene->settings->interval_ns = INTERVAL;
	scene->settings->kernel_stacks = 1;
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	answer_all(scene, -ECANCELED);
	perf_sampler_free(scene->sampler);
	event_base_free(scene->base);
	for (int cpu = 0; cpu < CPUS; cpu++)
		for (int kind = 0; kind < PERF_RING_COUNT; kind++)
			if (scene->fds[cpu][kind])
				close(scene->fds[cpu][kind]);
	free(scene);
	return 0;
}

static void profile(struct scene *scene, uint32_t pid, uint32_t keep)
{
	const struct profiled profiled = {
		.keep = keep, .target = TARGET, .events = 1U << EVENT_CPU};

	assert_int_equal(perf_sampler_add_process(scene->sampler, pid, &profiled), 0);
}

static struct perf_record *add_record(uint32_t type, uint32_t pid)
{
	struct perf_merged *merged = &records[record_count++];

	*merged = (struct perf_merged){
		.record = {.type = type, .pid = pid, .tid = pid, .time_ns = NOW_NS - 100},
		.kind = PERF_RING_SAMPLES,
	};
	/* Of a process whose stack is not walked. */
	if (type == PERF_RECORD_SAMPLE)
		merged->record.sample.has_user = merged->record.sample.is_32_bit = 1;
	return &merged->record;
}

static uint64_t counter(const struct scene *scene, uint32_t number)
{
	return perf_sampler_read_counter(scene->sampler, number);
}

static void test_only_samples_of_who_is_profiled_are_taken(void **state)
{
	struct scene *scene = *state;
	uint32_t pid = (uint32_t)getpid();
	static const uint64_t frames[] = {5, 6};
	struct perf_record *record;

	add_record(PERF_RECORD_SAMPLE, pid);
	perf_sampler_drain(scene->sampler);
	assert_int_equal(scene->sample_count, 0);
	profile(scene, pid, PROFILED_KEEP_ALL);
	add_record(PERF_RECORD_SAMPLE, (uint32_t)getppid());
	add_record(PERF_RECORD_SAMPLE, 0);
	record = add_record(PERF_RECORD_SAMPLE, pid);
	record->cpu = 2;
	record->sample.kernel_frames = frames;
	record->sample.kernel_count = 2;
	record->sample.in_kernel = 1;
	perf_sampler_drain(scene->sampler);
	assert_int_equal(scene->sample_count, 1);
	assert_int_equal(counter(scene, KERNEL_COUNTER_TAKEN), 1);
	assert_int_equal(told.head.pid, pid);
	assert_int_equal(told.head.parent_pid, getppid());
	assert_int_equal(told.head.target, TARGET);
	assert_int_equal(told.head.cpu, 2);
	assert_int_equal(told.head.weight, INTERVAL);
	assert_int_equal(told.head.kernel_count, 2);
	assert_true(told.head.flags & SAMPLE_IN_KERNEL);
	assert_string_equal(told.head.process_name, "test_perf_sampl");
	assert_string_equal(told.head.thread_name, "test_perf_sampl");
}

static void test_a_share_of_the_samples_stands_for_all(void **state)
{
	static const struct {
		double chance;
		int wanted;
	} cases[] = {{0, 1}, {0.24, 1}, {0.26, 0}, {0.99, 0}};
	struct scene *scene = *state;
	uint32_t pid = (uint32_t)getpid();

	profile(scene, pid, PROFILED_KEEP_ALL / 4);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scene->sample_count = 0;
		fixed_world.chance = cases[i].chance;
		add_record(PERF_RECORD_SAMPLE, pid);
		perf_sampler_drain(scene->sampler);
		assert_int_equal(scene->sample_count, cases[i].wanted);
		assert_in_range(told.head.weight, 4 * INTERVAL, 4 * INTERVAL + 1);
	}
}

static void test_what_lay_in_the_rings_weighs_what_it_was_taken_at(void **state)
{
	static const uint64_t wanted[] = {INTERVAL, INTERVAL, 5 * INTERVAL};
	struct scene *scene = *state;
	uint32_t pid = (uint32_t)getpid();

	profile(scene, pid, PROFILED_KEEP_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		add_record(PERF_RECORD_SAMPLE, pid);
		if (i == 1)
			scene->settings->interval_ns = 5 * INTERVAL;
		perf_sampler_drain(scene->sampler);
		assert_int_equal(told.head.weight, wanted[i]);
	}
}

static void test_kernel_frames_are_taken_when_they_are_wanted_and_not_too_many(void **state)
{
	static const uint64_t frames[RECORD_KERNEL_FRAMES + 9];
	struct scene *scene = *state;
	uint32_t pid = (uint32_t)getpid();

	profile(scene, pid, PROFILED_KEEP_ALL);
	for (uint32_t are_wanted = 0; are_wanted < 2; are_wanted++) {
		struct perf_record *record = add_record(PERF_RECORD_SAMPLE, pid);

		scene->settings->kernel_stacks = are_wanted;
		record->sample.kernel_frames = frames;
		record->sample.kernel_count = ARRAY_SIZE(frames);
		perf_sampler_drain(scene->sampler);
		assert_int_equal(told.head.kernel_count, are_wanted ? RECORD_KERNEL_FRAMES : 0);
	}
}

static void test_a_stack_that_cannot_be_walked_says_why(void **state)
{
	static const struct {
		int has_user, is_32_bit;
		enum walk_end wanted;
	} cases[] = {{0, 0, WALK_NO_USER}, {1, 1, WALK_UNSUPPORTED}};
	struct scene *scene = *state;
	const struct profiled everything = {.keep = PROFILED_KEEP_ALL, .events = 1U << EVENT_CPU};

	scene->settings->all = everything;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct perf_record *record = add_record(PERF_RECORD_SAMPLE, NOBODY);

		record->sample.has_user = cases[i].has_user;
		record->sample.is_32_bit = cases[i].is_32_bit;
		scene->sample_count = 0;
		perf_sampler_drain(scene->sampler);
		assert_int_equal(scene->sample_count, 1);
		assert_int_equal(told.head.walk_end, cases[i].wanted);
		assert_int_equal(counter(scene, KERNEL_COUNTER_WALK_FIRST + cases[i].wanted), 1);
	}
}

static void test_a_process_that_is_gone_is_nobodys(void **state)
{
	struct scene *scene = *state;

	scene->settings->all =
		(struct profiled){.keep = PROFILED_KEEP_ALL, .events = 1U << EVENT_CPU};
	for (int has_user = 0; has_user < 2; has_user++) {
		add_record(PERF_RECORD_SAMPLE, NOBODY)->sample.has_user = has_user;
		perf_sampler_drain(scene->sampler);
		assert_string_equal(told.head.process_name, "[exited]");
		assert_int_equal(told.head.owner_uid, RECORD_NO_OWNER);
		assert_int_equal(told.head.owner_gid, RECORD_NO_OWNER);
	}
	/* The idle loop is no process at all. */
	scene->sample_count = 0;
	add_record(PERF_RECORD_SAMPLE, 0);
	perf_sampler_drain(scene->sampler);
	assert_int_equal(scene->sample_count, 0);
}

static void test_losses_are_told_by_what_was_lost(void **state)
{
	struct scene *scene = *state;

	add_record(PERF_RECORD_LOST, 0)->lost = 5;
	add_record(PERF_RECORD_LOST, 0)->lost = 11;
	records[1].kind = PERF_RING_TASKS;
	perf_sampler_drain(scene->sampler);
	assert_int_equal(counter(scene, KERNEL_COUNTER_TAKEN), 5);
	assert_int_equal(counter(scene, KERNEL_COUNTER_LOST_RING), 5);
	assert_int_equal(counter(scene, KERNEL_COUNTER_LOST_RECORDS), 11);
}

static void test_samples_that_were_throttled_count_as_taken_and_lost(void **state)
{
	struct scene *scene = *state;

	add_record(PERF_RECORD_THROTTLE, 0)->time_ns = NOW_NS - 9500;
	add_record(PERF_RECORD_UNTHROTTLE, 0)->time_ns = NOW_NS - 1000;
	/* Of another CPU, and never throttled. */
	add_record(PERF_RECORD_UNTHROTTLE, 0)->time_ns = NOW_NS;
	records[2].cpu = 1;
	/* Once is enough. */
	add_record(PERF_RECORD_UNTHROTTLE, 0)->time_ns = NOW_NS;
	perf_sampler_drain(scene->sampler);
	assert_int_equal(counter(scene, KERNEL_COUNTER_THROTTLED), 8);
	assert_int_equal(counter(scene, KERNEL_COUNTER_TAKEN), 8);
}

static void test_what_contradicts_itself_may_have_been_a_sample(void **state)
{
	struct scene *scene = *state;

	malformed = 2;
	perf_sampler_drain(scene->sampler);
	perf_sampler_drain(scene->sampler);
	assert_int_equal(scene->malformed_count, 2);
	assert_int_equal(counter(scene, KERNEL_COUNTER_TAKEN), 2);
}

static void test_what_is_later_than_the_look_waits(void **state)
{
	struct scene *scene = *state;
	uint32_t pid = (uint32_t)getpid();

	profile(scene, pid, PROFILED_KEEP_ALL);
	add_record(PERF_RECORD_SAMPLE, pid)->time_ns = NOW_NS + 1;
	perf_sampler_drain(scene->sampler);
	assert_int_equal(scene->sample_count, 0);
}

static void test_every_cpu_has_rings_and_cpus_that_come_back_get_new_ones(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(question_count, CPUS);
	answer_all(scene, 0);
	for (int cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(added[cpu], 1);
	/* While nothing is sampled nobody looks. */
	fixed_world.now_ns += PERF_CPU_CHECK_SEC * NS_PER_SECOND;
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(question_count, 0);
	perf_sampler_set_active(scene->sampler, 1);
	assert_int_equal(discard_count, 1);
	fixed_world.now_ns += PERF_CPU_CHECK_SEC * NS_PER_SECOND;
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(question_count, CPUS);
	answer_all(scene, -EALREADY);
	assert_int_equal(added[0], 1);
}

static void test_an_answer_without_both_rings_is_dropped(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	(void)state;
	questions[0].done(questions[0].context, 0, &fd, 1);
	assert_int_equal(added[0], 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	memmove(questions, questions + 1, --question_count * sizeof(questions[0]));
}

static void test_a_ring_that_fills_up_is_told(void **state)
{
	struct scene *scene = *state;
	uint64_t one = 1;

	answer_all(scene, 0);
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(scene->readable_count, 0);
	assert_int_equal(write(scene->fds[1][PERF_RING_TASKS], &one, sizeof(one)), sizeof(one));
	event_base_loop(scene->base, EVLOOP_NONBLOCK);
	assert_int_equal(scene->readable_count, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_only_samples_of_who_is_profiled_are_taken),
		TEST(test_a_share_of_the_samples_stands_for_all),
		TEST(test_what_lay_in_the_rings_weighs_what_it_was_taken_at),
		TEST(test_kernel_frames_are_taken_when_they_are_wanted_and_not_too_many),
		TEST(test_a_stack_that_cannot_be_walked_says_why),
		TEST(test_a_process_that_is_gone_is_nobodys),
		TEST(test_losses_are_told_by_what_was_lost),
		TEST(test_samples_that_were_throttled_count_as_taken_and_lost),
		TEST(test_what_contradicts_itself_may_have_been_a_sample),
		TEST(test_what_is_later_than_the_look_waits),
		TEST(test_every_cpu_has_rings_and_cpus_that_come_back_get_new_ones),
		TEST(test_an_answer_without_both_rings_is_dropped),
		TEST(test_a_ring_that_fills_up_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
