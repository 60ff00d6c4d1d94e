/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/duty_cycle.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/frame.h"
#include "daemon/core/heap/heap_governor.h"
#include "daemon/core/heap/heap_ledger.h"
#include "daemon/core/history/bucket_ring.h"
#include "daemon/core/workers/prober_client.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/fixed_world.h"
#include "tests/unit/heap_workers.h"

#define SLOT      3
#define BEGIN_NS  (100 * NS_PER_SECOND)
#define WINDOW_NS HEAP_GOVERNOR_MIN_WINDOW_NS

/* What the kernel counted, in place of its map. */
static struct heap_usage counted;

int bpf_map_lookup_elem(int fd, const void *key, void *value)
{
	(void)fd;
	assert_int_equal(*(const uint32_t *)key, SLOT);
	memcpy(value, &counted, sizeof(counted));
	return 0;
}

/* A process in windows, with the test as its prober. */
struct scene {
	struct heap_workers workers;
	struct prober_client *prober;
	struct heap_costs costs;
	struct heap_sums sums;
	struct duty_cycle *duty;
	uint32_t thread, stack;
	int lost_count;
};

static void on_lost(void *context)
{
	struct scene *scene = context;

	scene->lost_count++;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	struct heap_sources *sources = &scene->workers.sources;
	const struct record_sample sample = {.pid = 77, .tid = 77};
	const uint64_t address = UINT64_C(2) << FRAME_OFFSET_BITS | 1;

	fixed_world = (struct fixed_world){.now_ns = BEGIN_NS};
	counted = (struct heap_usage){0};
	heap_workers_init(&scene->workers);
	sources->processes = process_table_new();
	sources->history =
		bucket_ring_new(NS_PER_SECOND, 60 * NS_PER_SECOND, 1 << 20, sources->stacks,
				sources->processes, BEGIN_NS - 10 * NS_PER_SECOND);
	scene->thread = process_table_add(sources->processes, &sample);
	scene->stack = stack_table_add(sources->stacks, &address, 1);
	/* A hit in a window takes one microsecond, for sure. */
	scene->costs = (struct heap_costs){.entry_ns = 1000, .pair_ns = 1000, .free_ns = 1000};
	*state = scene;
	return 0;
}

static void end(struct scene *scene)
{
	duty_cycle_free(steal_ptr(&scene->duty));
	prober_client_free(steal_ptr(&scene->prober));
	if (scene->workers.prober >= 0)
		close(steal_fd(&scene->workers.prober));
}

static int tear_down(void **state)
{
	struct scene *scene = *state;
	struct heap_sources *sources = &scene->workers.sources;

	end(scene);
	bucket_ring_free(sources->history);
	process_table_release(sources->processes, scene->thread);
	stack_table_release(sources->stacks, scene->stack);
	/* Nothing else refers to the thread; the same is asserted of the stack. */
	assert_int_equal(process_table_bytes(sources->processes), 0);
	process_table_free(sources->processes);
	heap_workers_fini(&scene->workers);
	free(scene);
	return 0;
}

/* With a prober of its own, that was asked nothing yet. */
static void begin(struct scene *scene, double budget_percent)
{
	struct duty_setup setup = {
		.sources = &scene->workers.sources,
		.slot = &scene->workers.slots[SLOT],
		.slot_number = SLOT,
		.pid = 77,
		.cpu_clock = FIXED_WORLD_CPU_CLOCK,
		.budget_percent = budget_percent,
		.costs = &scene->costs,
		.sums = &scene->sums,
	};
	int ends[2];

	end(scene);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	scene->workers.prober = ends[1];
	scene->prober = prober_client_new(scene->workers.sources.base, ends[0], on_lost, scene);
	setup.prober = scene->prober;
	scene->duty = duty_cycle_new(&setup, on_lost, scene);
}

/* The process computes for so long, and what is due is done. */
static void advance(struct scene *scene, uint64_t ns)
{
	fixed_world.now_ns += ns;
	fixed_world.cpu_ns += ns;
	heap_workers_turn(&scene->workers);
}

static int is_asked(const struct scene *scene)
{
	char byte;

	return recv(scene->workers.prober, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

/* A window that is due, with so many hits of 100 bytes. Returns how long it was to be. */
static uint64_t pass_window(struct scene *scene, uint64_t hits)
{
	struct prober_request request;

	assert_true(is_asked(scene));
	counted.hits += hits;
	counted.bytes += 100 * hits;
	advance(scene, WINDOW_NS);
	request = heap_workers_answer_prober(
		&scene->workers, PROBER_WINDOW,
		(struct prober_reply){.window_ns = WINDOW_NS, .window_cpu_ns = WINDOW_NS});
	return request.value;
}

static void add_sample(struct scene *scene, uint64_t size, uint64_t interval)
{
	duty_cycle_add(scene->duty, scene->thread, scene->stack, size, interval);
}

/* What the history says was allocated, in all its buckets. */
static struct bucket_row told(const struct scene *scene)
{
	struct bucket_row sum = {0};
	const struct bucket *bucket;

	for (uint64_t from_ns = 0;
	     (bucket = bucket_ring_next(scene->workers.sources.history, from_ns, UINT64_MAX));
	     from_ns = bucket->start_ns + 1)
		for (uint32_t i = 0; i < bucket->row_count; i++) {
			assert_int_equal(bucket->rows[i].event, EVENT_HEAP);
			sum.count += bucket->rows[i].count;
			sum.weight += bucket->rows[i].weight;
		}
	return sum;
}

static void test_a_window_is_opened_once_a_period_at_a_random_time(void **state)
{
	struct scene *scene = *state;

	fixed_world.chance = 0.5;
	begin(scene, 1);
	assert_true(scene->workers.slots[SLOT].interval_bytes > 1);
	advance(scene, (HEAP_GOVERNOR_PERIOD_NS - WINDOW_NS) / 2 - NS_PER_MS);
	assert_false(is_asked(scene));
	advance(scene, 2 * NS_PER_MS);
	assert_int_equal(pass_window(scene, 1000), WINDOW_NS);
	fixed_world.chance = 0;
	advance(scene, HEAP_GOVERNOR_PERIOD_NS / 2 - 10 * NS_PER_MS);
	assert_false(is_asked(scene));
	advance(scene, 20 * NS_PER_MS);
	heap_workers_turn(&scene->workers);
	assert_true(is_asked(scene));
}

/*
 * Of the 3 ms in the window 1 ms went to the probes; so 2 ms of the process's own time stand for the
 * 999 ms that it had in the period: each byte for 499.5.
 */
static void test_what_a_window_saw_stands_for_the_period_without_the_probes(void **state)
{
	struct scene *scene = *state;

	begin(scene, 1);
	heap_workers_turn(&scene->workers);
	add_sample(scene, 100, 1);
	pass_window(scene, 1000);
	assert_int_equal(told(scene).count, 0);
	advance(scene, HEAP_GOVERNOR_PERIOD_NS - WINDOW_NS);
	heap_workers_turn(&scene->workers);
	assert_in_range(told(scene).weight, 49949, 49951);
	assert_in_range(told(scene).count, 499, 501);
	assert_float_equal(scene->sums.estimated, 49950, 1);
	assert_true(scene->sums.low <= scene->sums.estimated);
	assert_true(scene->sums.high >= scene->sums.estimated);
}

static void test_a_sample_smaller_than_the_interval_stands_for_an_interval(void **state)
{
	static const struct {
		uint64_t size, interval, bytes, count;
	} cases[] = {{100, 1000, 1000, 10},
		     {2000, 1000, 2000, 1},
		     {1000, 1000, 1000, 1},
		     {0, 1000, 0, 1}};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bucket_row before = told(scene), after;

		begin(scene, 1);
		heap_workers_turn(&scene->workers);
		add_sample(scene, cases[i].size, cases[i].interval);
		pass_window(scene, 0);
		advance(scene, HEAP_GOVERNOR_PERIOD_NS);
		after = told(scene);
		/* Without probes' cost all of the 3 ms were its own, of 1003. */
		double scale = 1003.0 / 3;
		assert_float_equal(after.weight - before.weight, (double)cases[i].bytes * scale, 2);
		assert_float_equal(after.count - before.count, (double)cases[i].count * scale, 2);
	}
}

static void test_samples_lie_as_far_apart_as_the_last_window_suggests(void **state)
{
	static const struct {
		uint64_t bytes, wanted;
	} cases[] = {{400000, 1000}, {0, 1}, {UINT64_C(1) << 50, UINT64_C(1) << 31}};
	struct scene *scene = *state;

	begin(scene, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		heap_workers_turn(&scene->workers);
		counted.bytes += cases[i].bytes;
		pass_window(scene, 0);
		assert_int_equal(scene->workers.slots[SLOT].interval_bytes, cases[i].wanted);
		advance(scene, HEAP_GOVERNOR_MAX_PERIOD_NS);
	}
}

static void test_windows_grow_with_the_budget_and_shrink_with_their_cost(void **state)
{
	static const struct {
		double budget_percent;
		uint64_t hits;
	} cases[] = {{1, 1000}, {2, 1000}, {2, 500}};
	struct scene *scene = *state;
	uint64_t windows_ns[3];

	for (size_t i = 0; i < 3; i++) {
		begin(scene, cases[i].budget_percent);
		for (int j = 0; j < 2; j++) {
			heap_workers_turn(&scene->workers);
			windows_ns[i] = pass_window(scene, cases[i].hits);
			advance(scene, HEAP_GOVERNOR_PERIOD_NS);
		}
	}
	assert_true(windows_ns[1] > 1.5 * (double)windows_ns[0]);
	assert_true(windows_ns[2] > 1.5 * (double)windows_ns[1]);
}

static void test_everything_fits_when_few_hits_would_take_little_of_the_budget(void **state)
{
	/* Of 3 ms: allocations and as many frees of 1 us each; 0.5 % would be 15 us. */
	static const struct {
		uint64_t hits;
		int wanted;
	} cases[] = {{1, 1}, {20, 0}, {1000, 0}};
	struct scene *scene = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(scene, 1);
		assert_false(duty_cycle_fits(scene->duty, 0));
		heap_workers_turn(&scene->workers);
		pass_window(scene, cases[i].hits);
		advance(scene, HEAP_GOVERNOR_PERIOD_NS);
		assert_int_equal(duty_cycle_fits(scene->duty, 0), cases[i].wanted);
	}
}

static void test_what_operators_return_has_to_fit_in_addition(void **state)
{
	struct scene *scene = *state;

	scene->costs.dear_ns = 20000;
	begin(scene, 1);
	heap_workers_turn(&scene->workers);
	counted.followed += 1;
	pass_window(scene, 1);
	advance(scene, HEAP_GOVERNOR_PERIOD_NS);
	assert_true(duty_cycle_fits(scene->duty, 0));
	assert_false(duty_cycle_fits(scene->duty, 1));
}

static void test_what_the_window_saw_is_still_on_its_way_for_a_moment(void **state)
{
	struct scene *scene = *state;

	fixed_world.chance = 1; /* the window ends with the period */
	begin(scene, 1);
	advance(scene, HEAP_GOVERNOR_PERIOD_NS - WINDOW_NS);
	pass_window(scene, 10);
	advance(scene, 50 * NS_PER_MS);
	add_sample(scene, 100, 1);
	assert_int_equal(told(scene).count, 0);
	advance(scene, 150 * NS_PER_MS);
	assert_true(told(scene).count > 0);
}

static void test_a_prober_that_fails_is_told(void **state)
{
	struct scene *scene = *state;

	begin(scene, 1);
	heap_workers_turn(&scene->workers);
	heap_workers_answer_prober(&scene->workers, PROBER_WINDOW,
				   (struct prober_reply){.error = -EIO});
	assert_int_equal(scene->lost_count, 1);
}

static void test_a_window_that_sees_too_much_is_cut_off(void **state)
{
	struct scene *scene = *state;

	begin(scene, 1);
	heap_workers_turn(&scene->workers);
	for (int i = 0; i < 100000; i++)
		add_sample(scene, 3, 1);
	pass_window(scene, 0);
	advance(scene, HEAP_GOVERNOR_PERIOD_NS);
	/* Each stands for a period of 1003 ms, of which the window was 3 ms. */
	assert_in_range(told(scene).weight, 1003 * 10000, 1003 * 50000);
}

static void test_samples_of_a_cycle_that_ends_are_let_go(void **state)
{
	struct scene *scene = *state;

	begin(scene, 1);
	for (int i = 0; i < 100; i++)
		add_sample(scene, 10, 1);
	end(scene);
	duty_cycle_free(NULL);
	assert_int_equal(told(scene).count, 0);
	/* tear_down() sees whether all references were given back. */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_window_is_opened_once_a_period_at_a_random_time),
		TEST(test_what_a_window_saw_stands_for_the_period_without_the_probes),
		TEST(test_a_sample_smaller_than_the_interval_stands_for_an_interval),
		TEST(test_samples_lie_as_far_apart_as_the_last_window_suggests),
		TEST(test_windows_grow_with_the_budget_and_shrink_with_their_cost),
		TEST(test_everything_fits_when_few_hits_would_take_little_of_the_budget),
		TEST(test_what_operators_return_has_to_fit_in_addition),
		TEST(test_what_the_window_saw_is_still_on_its_way_for_a_moment),
		TEST(test_a_prober_that_fails_is_told),
		TEST(test_a_window_that_sees_too_much_is_cut_off),
		TEST(test_samples_of_a_cycle_that_ends_are_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
