/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_process.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/heap_workers.h"

#define SLOT 5

/* A process that is watched, with the test as broker, elf reader and prober. */
struct scene {
	struct heap_workers workers;
	struct heap_process *process;
	int done_count;
	int error; /* that done was told */
	int left_count;
};

static void on_done(void *context, int error)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = error;
}

static void on_left(void *context)
{
	struct scene *scene = context;

	scene->left_count++;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	struct heap_request request = {.slot = SLOT, .budget_percent = 1};

	heap_workers_init(&scene->workers);
	request.identity.pid = (uint32_t)getpid();
	request.identity.start_time_ns = 1;
	scene->process = heap_process_new(&scene->workers.sources, &request, on_done, scene);
	heap_process_begin(scene->process);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	heap_process_free(scene->process);
	heap_workers_fini(&scene->workers);
	free(scene);
	return 0;
}

static void go_full(struct scene *scene)
{
	heap_workers_search(&scene->workers, 1);
	heap_workers_start_prober(&scene->workers);
	heap_workers_answer_prober(&scene->workers, PROBER_ADD_FILE, (struct prober_reply){0});
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
}

static void trip(struct scene *scene)
{
	const struct record_heap record = {.header.type = RECORD_HEAP_TRIPPED, .slot = SLOT};

	scene->workers.slots[SLOT].is_tripped = 1;
	heap_process_on_record(scene->process, &record, 0, 0, 0);
}

static void test_the_allocator_that_was_found_is_probed(void **state)
{
	struct scene *scene = *state;
	struct prober_request request;

	heap_workers_search(&scene->workers, 1);
	assert_int_equal(scene->done_count, 0);
	heap_workers_start_prober(&scene->workers);
	request = heap_workers_answer_prober(&scene->workers, PROBER_ADD_FILE,
					     (struct prober_reply){0});
	assert_int_equal(request.site_count, 2);
	assert_int_equal(request.sites[1].offset, 0x209);
	assert_int_equal(request.sites[1].address, 0x7209);
	assert_int_equal(request.sites[1].function, HEAP_FREE);
	assert_true(request.sites[0].flags & PROBER_SITE_DEAR);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_STARTING);
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
	/* Calls from inside are told by where the functions are. */
	assert_int_equal(scene->workers.slots[SLOT].range_count, 2);
	assert_int_equal(scene->workers.slots[SLOT].hull.start, 0x7100);
	assert_int_equal(scene->workers.slots[SLOT].hull.end, 0x7220);
	assert_true(scene->workers.slots[SLOT].fuse_ns > 0);
}

static void test_without_an_allocator_it_fails(void **state)
{
	struct scene *scene = *state;

	heap_workers_search(&scene->workers, 0);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -ENOENT);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FAILED);
}

static void test_a_file_that_came_too_late_is_looked_at_again(void **state)
{
	struct scene *scene = *state;

	heap_workers_turn(&scene->workers);
	heap_workers_answer_maps(&scene->workers);
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	/* Three times: then the next one. */
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_MAPPED, 0,
				   heap_workers_file("elf", 3));
	heap_workers_start_reader(&scene->workers);
	heap_workers_answer_reader(&scene->workers, 1);
	heap_workers_start_prober(&scene->workers);
	heap_workers_answer_prober(&scene->workers, PROBER_ADD_FILE, (struct prober_reply){0});
}

static void test_a_process_that_is_gone_is_told_as_that(void **state)
{
	struct scene *scene = *state;

	heap_workers_turn(&scene->workers);
	heap_workers_answer_broker(&scene->workers, BROKER_OPEN_PROC, -ESRCH, -1);
	assert_int_equal(scene->error, -ESRCH);
}

static void test_the_fuse_leads_to_windows(void **state)
{
	struct scene *scene = *state;
	const struct heap_change *changes;

	go_full(scene);
	trip(scene);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_DUTY);
	assert_true(heap_process_evidence(scene->process)->incomplete_ns > 0);
	assert_int_equal(heap_process_changes(scene->process, &changes), 2);
	assert_int_equal(changes[1].tier, HEAP_TIER_DUTY);
	heap_workers_answer_prober(&scene->workers, PROBER_STOP,
				   (struct prober_reply){.compared = 2});
	assert_int_equal(scene->workers.counters.values[COUNTER_CODE_COMPARED], 2);
	/* The first window comes by itself. */
	event_base_loop(scene->workers.sources.base, EVLOOP_ONCE);
	heap_workers_answer_prober(&scene->workers, PROBER_WINDOW,
				   (struct prober_reply){.compared = 2, .altered = 1});
	assert_int_equal(scene->workers.counters.values[COUNTER_CODE_ALTERED], 1);
	/* Tripping means nothing any more. */
	trip(scene);
	assert_int_equal(heap_process_changes(scene->process, &changes), 2);
}

static void test_operators_that_are_too_dear_are_not_followed_any_more(void **state)
{
	struct scene *scene = *state;
	const struct heap_evidence *evidence = heap_process_evidence(scene->process);
	const struct heap_change *changes;

	scene->workers.has_operators = 1;
	go_full(scene);
	assert_int_equal(evidence->unseen_from_ns, 0);
	trip(scene);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_PARTIAL);
	scene->workers.slots[SLOT].is_tripped = 0;
	struct prober_request request =
		heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(request.value, 0);
	assert_true(evidence->unseen_from_ns > 0);
	assert_int_equal(evidence->unseen_to_ns, 0);
	assert_int_equal(evidence->incomplete_ns, 0);
	/* Without them it is too much, too. */
	uint64_t since_ns = evidence->since_ns;
	trip(scene);
	assert_int_equal(heap_process_changes(scene->process, &changes), 3);
	assert_int_equal(changes[1].tier, HEAP_TIER_PARTIAL);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_DUTY);
	assert_int_equal(evidence->since_ns, since_ns);
}

static void test_operators_are_followed_again_when_that_has_fitted_for_a_minute(void **state)
{
	struct scene *scene = *state;
	const struct heap_evidence *evidence = heap_process_evidence(scene->process);
	uint64_t now_ns = clock_boot_ns(), since_ns;

	scene->workers.has_operators = 1;
	go_full(scene);
	trip(scene);
	scene->workers.slots[SLOT].is_tripped = 0;
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	since_ns = evidence->since_ns;
	heap_process_tick(scene->process, now_ns + NS_PER_SECOND);
	heap_process_tick(scene->process, now_ns + 60 * NS_PER_SECOND);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_PARTIAL);
	heap_process_tick(scene->process, now_ns + 61 * NS_PER_SECOND);
	assert_int_equal(
		heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0})
			.value,
		1);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
	/* The list goes on, and what is missing in it is told. */
	assert_int_equal(evidence->since_ns, since_ns);
	assert_true(evidence->unseen_to_ns >= evidence->unseen_from_ns);
	assert_true(evidence->unseen_from_ns > 0);
}

static void test_a_fuse_that_was_replaced_only_tears_the_list(void **state)
{
	const struct record_heap record = {.header.type = RECORD_HEAP_TRIPPED, .slot = SLOT};
	struct scene *scene = *state;
	const struct heap_evidence *evidence = heap_process_evidence(scene->process);

	scene->workers.has_operators = 1;
	go_full(scene);
	trip(scene);
	scene->workers.slots[SLOT].is_tripped = 0;
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	uint64_t since_ns = evidence->since_ns;
	heap_process_on_record(scene->process, &record, 0, 0, 0);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_PARTIAL);
	assert_true(evidence->since_ns > since_ns);
	assert_true(evidence->unseen_from_ns > 0);
}

static void test_pausing_removes_the_probes_and_resuming_begins_anew(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	heap_process_pause(scene->process, 1);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_STOPPED);
	heap_workers_answer_prober(&scene->workers, PROBER_STOP, (struct prober_reply){0});
	heap_process_pause(scene->process, 0);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_STARTING);
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
	assert_int_equal(heap_process_evidence(scene->process)->incomplete_ns, 0);
}

static void test_leaving_waits_for_the_code_to_be_compared(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	assert_true(heap_process_leave(scene->process, on_left, scene));
	assert_int_equal(scene->left_count, 0);
	assert_int_equal(scene->workers.slots[SLOT].mode, HEAP_OFF);
	heap_workers_answer_prober(&scene->workers, PROBER_STOP,
				   (struct prober_reply){.compared = 8});
	assert_int_equal(scene->left_count, 1);
	assert_int_equal(scene->workers.counters.values[COUNTER_CODE_COMPARED], 8);
}

static void test_a_prober_that_dies_ends_leaving_too(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	assert_true(heap_process_leave(scene->process, on_left, scene));
	close(scene->workers.prober);
	scene->workers.prober = -1;
	heap_workers_turn(&scene->workers);
	assert_int_equal(scene->left_count, 1);
}

static void test_a_prober_that_dies_is_a_failure(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	close(scene->workers.prober);
	scene->workers.prober = -1;
	heap_workers_turn(&scene->workers);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FAILED);
	assert_true(heap_process_evidence(scene->process)->incomplete_ns > 0);
	assert_false(heap_process_leave(scene->process, on_left, scene));
}

static void test_children_are_swept_together(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	heap_process_forked(scene->process);
	heap_process_forked(scene->process);
	event_base_loop(scene->workers.sources.base, EVLOOP_ONCE);
	heap_workers_answer_prober(&scene->workers, PROBER_SWEEP, (struct prober_reply){0});
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_the_allocator_that_was_found_is_probed),
		TEST(test_without_an_allocator_it_fails),
		TEST(test_a_file_that_came_too_late_is_looked_at_again),
		TEST(test_a_process_that_is_gone_is_told_as_that),
		TEST(test_the_fuse_leads_to_windows),
		TEST(test_operators_that_are_too_dear_are_not_followed_any_more),
		TEST(test_operators_are_followed_again_when_that_has_fitted_for_a_minute),
		TEST(test_a_fuse_that_was_replaced_only_tears_the_list),
		TEST(test_pausing_removes_the_probes_and_resuming_begins_anew),
		TEST(test_leaving_waits_for_the_code_to_be_compared),
		TEST(test_a_prober_that_dies_ends_leaving_too),
		TEST(test_a_prober_that_dies_is_a_failure),
		TEST(test_children_are_swept_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
