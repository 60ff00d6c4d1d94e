/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_process.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd_message.h"
#include "common/frame.h"
#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/broker/prober_message.h"
#include "daemon/core/counters.h"
#include "daemon/core/heap/heap_calibration.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"
#include "daemon/elf/allocator.h"
#include "daemon/elf/reader_message.h"
#include "tests/unit/cmocka_all.h"

#define SLOT 5

/* A process that is watched, with the test as broker, elf reader and prober. */
struct scene {
	struct heap_sources sources;
	struct heap_slot slots[HEAP_MAX_SLOTS];
	struct counters counters;
	struct heap_calibration calibration;
	struct heap_process *process;
	int broker;
	int reader; /* -1: not started yet */
	int prober;
	int done_count;
	int error; /* that done was told */
	int left_count;
	int has_operators; /* the allocator: C++ operators whose blocks can be seen */
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
	struct heap_sources *sources = &scene->sources;
	int ends[2];

	log_start("test", LOG_LEVEL_ERROR);
	scene->reader = scene->prober = -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	scene->broker = ends[1];
	heap_calibration_init(&scene->calibration);
	scene->calibration.state = HEAP_CALIBRATION_DONE;
	scene->calibration.measured_ns = UINT64_MAX;
	sources->base = event_base_new();
	sources->broker = broker_client_new(sources->base, ends[0], NULL, NULL);
	sources->reader = worker_client_new(sources->base, sources->broker, &reader_client_kind);
	sources->stacks = stack_table_new();
	sources->counters = &scene->counters;
	sources->calibration = &scene->calibration;
	sources->maps = (struct heap_maps){scene->slots, -1, 1};
	request.identity.pid = (uint32_t)getpid();
	request.identity.start_time_ns = 1;
	scene->process = heap_process_new(sources, &request, on_done, scene);
	heap_process_begin(scene->process);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	heap_process_free(scene->process);
	worker_client_free(scene->sources.reader);
	broker_client_free(scene->sources.broker);
	event_base_loop(scene->sources.base, EVLOOP_NONBLOCK);
	event_base_free(scene->sources.base);
	assert_int_equal(stack_table_count(scene->sources.stacks), 0);
	stack_table_free(scene->sources.stacks);
	close(scene->broker);
	if (scene->reader >= 0)
		close(scene->reader);
	if (scene->prober >= 0)
		close(scene->prober);
	free(scene);
	return 0;
}

/* Let the core do what it can do. */
static void turn(const struct scene *scene)
{
	event_base_loop(scene->sources.base, EVLOOP_NONBLOCK);
}

static int text_file(const char *text, size_t length)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, length), length);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

/* Be the broker: take one request of a type and answer it. Takes fd, -1: none. */
static void answer_broker(struct scene *scene, uint32_t type, int error, int fd)
{
	struct broker_request request;
	struct broker_reply reply = {.error = error, .fd_count = fd >= 0};
	size_t no_fds = 0;

	assert_int_equal(
		fd_message_receive(scene->broker, &request, sizeof(request), NULL, &no_fds),
		sizeof(request));
	assert_int_equal(request.type, type);
	reply.type = request.type;
	reply.serial = request.serial;
	assert_int_equal(fd_message_send(scene->broker, &reply, sizeof(reply), &fd, fd >= 0), 0);
	if (fd >= 0)
		close(fd);
	turn(scene);
}

/* The same for who starts a process at the other end of a socket. Returns that end. */
static int answer_with_socket(struct scene *scene, uint32_t type)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	answer_broker(scene, type, 0, ends[0]);
	return ends[1];
}

/* Be the reader of one file: with malloc and free, perhaps with more; or without. */
static void answer_reader(struct scene *scene, int is_allocator)
{
	static const struct allocator_function functions[] = {
		{.entry = 0x100, .size = 0x20, .site = 0x100, .name = "malloc"},
		{.entry = 0x200,
		 .size = 0x20,
		 .site = 0x209,
		 .function = HEAP_FREE,
		 .name = "free"},
		{.entry = 0x300,
		 .size = 0x20,
		 .site = 0x300,
		 .function = HEAP_NEW,
		 .flags = ALLOCATOR_THROWS | ALLOCATOR_FOLLOWED,
		 .name = "_Znwm"},
	};
	size_t function_count = scene->has_operators ? 3 : 2;
	struct reader_request request;
	struct reader_reply reply = {.error = is_allocator ? 0 : -ENOENT};
	int fd = -1, answer = -1;
	size_t fd_count = 1;

	assert_int_equal(
		fd_message_receive(scene->reader, &request, sizeof(request), &fd, &fd_count),
		sizeof(request));
	assert_int_equal(request.type, READER_ALLOCATOR);
	close(fd);
	if (is_allocator)
		answer = text_file((const char *)functions, function_count * sizeof(functions[0]));
	reply.serial = request.serial;
	assert_int_equal(
		fd_message_send(scene->reader, &reply, sizeof(reply), &answer, is_allocator), 0);
	if (is_allocator)
		close(answer);
	turn(scene);
}

static const char maps[] = "1000-2000 r-xp 00000000 08:01 11 /usr/bin/program\n"
			   "7000-9000 r-xp 00000000 08:01 22 /usr/lib/libc.so.6\n";

/* Up to the point where both files were looked at. */
static void search(struct scene *scene, int is_allocator)
{
	turn(scene);
	answer_broker(scene, BROKER_OPEN_PROC, 0, text_file(maps, sizeof(maps) - 1));
	answer_broker(scene, BROKER_OPEN_MAPPED, 0, text_file("elf", 3));
	scene->reader = answer_with_socket(scene, BROKER_START_READER);
	answer_reader(scene, 0);
	answer_broker(scene, BROKER_OPEN_MAPPED, 0, text_file("elf", 3));
	answer_reader(scene, is_allocator);
}

/* Be the prober: take one request and answer it. */
static struct prober_request answer_prober(struct scene *scene, uint32_t type,
					   struct prober_reply reply)
{
	struct prober_request request;
	int fd = -1;
	size_t fd_count = 1;

	assert_int_equal(
		fd_message_receive(scene->prober, &request, sizeof(request), &fd, &fd_count),
		sizeof(request));
	if (fd_count)
		close(fd);
	assert_int_equal(request.type, type);
	reply.serial = request.serial;
	assert_int_equal(fd_message_send(scene->prober, &reply, sizeof(reply), NULL, 0), 0);
	turn(scene);
	return request;
}

static void go_full(struct scene *scene)
{
	search(scene, 1);
	scene->prober = answer_with_socket(scene, BROKER_START_PROBER);
	answer_prober(scene, PROBER_ADD_FILE, (struct prober_reply){0});
	answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
}

static void trip(struct scene *scene)
{
	const struct record_heap record = {.header.type = RECORD_HEAP_TRIPPED, .slot = SLOT};

	scene->slots[SLOT].is_tripped = 1;
	heap_process_on_record(scene->process, &record, 0, 0, 0);
}

static void test_the_allocator_that_was_found_is_probed(void **state)
{
	struct scene *scene = *state;
	struct prober_request request;

	search(scene, 1);
	assert_int_equal(scene->done_count, 0);
	scene->prober = answer_with_socket(scene, BROKER_START_PROBER);
	request = answer_prober(scene, PROBER_ADD_FILE, (struct prober_reply){0});
	assert_int_equal(request.site_count, 2);
	assert_int_equal(request.sites[1].offset, 0x209);
	assert_int_equal(request.sites[1].address, 0x7209);
	assert_int_equal(request.sites[1].function, HEAP_FREE);
	assert_true(request.sites[0].flags & PROBER_SITE_DEAR);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_STARTING);
	answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
	/* Calls from inside are told by where the functions are. */
	assert_int_equal(scene->slots[SLOT].range_count, 2);
	assert_int_equal(scene->slots[SLOT].hull.start, 0x7100);
	assert_int_equal(scene->slots[SLOT].hull.end, 0x7220);
	assert_true(scene->slots[SLOT].fuse_ns > 0);
}

static void test_without_an_allocator_it_fails(void **state)
{
	struct scene *scene = *state;

	search(scene, 0);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -ENOENT);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FAILED);
}

static void test_a_file_that_came_too_late_is_looked_at_again(void **state)
{
	struct scene *scene = *state;

	turn(scene);
	answer_broker(scene, BROKER_OPEN_PROC, 0, text_file(maps, sizeof(maps) - 1));
	answer_broker(scene, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	answer_broker(scene, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	answer_broker(scene, BROKER_OPEN_MAPPED, -ETIMEDOUT, -1);
	/* Three times: then the next one. */
	answer_broker(scene, BROKER_OPEN_MAPPED, 0, text_file("elf", 3));
	scene->reader = answer_with_socket(scene, BROKER_START_READER);
	answer_reader(scene, 1);
	scene->prober = answer_with_socket(scene, BROKER_START_PROBER);
	answer_prober(scene, PROBER_ADD_FILE, (struct prober_reply){0});
}

static void test_a_process_that_is_gone_is_told_as_that(void **state)
{
	struct scene *scene = *state;

	turn(scene);
	answer_broker(scene, BROKER_OPEN_PROC, -ESRCH, -1);
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
	answer_prober(scene, PROBER_STOP, (struct prober_reply){.compared = 2});
	assert_int_equal(scene->counters.values[COUNTER_CODE_COMPARED], 2);
	/* The first window comes by itself. */
	event_base_loop(scene->sources.base, EVLOOP_ONCE);
	answer_prober(scene, PROBER_WINDOW, (struct prober_reply){.compared = 2, .altered = 1});
	assert_int_equal(scene->counters.values[COUNTER_CODE_ALTERED], 1);
	/* Tripping means nothing any more. */
	trip(scene);
	assert_int_equal(heap_process_changes(scene->process, &changes), 2);
}

static void test_operators_that_are_too_dear_are_not_followed_any_more(void **state)
{
	struct scene *scene = *state;
	const struct heap_evidence *evidence = heap_process_evidence(scene->process);
	const struct heap_change *changes;

	scene->has_operators = 1;
	go_full(scene);
	assert_int_equal(evidence->unseen_from_ns, 0);
	trip(scene);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_PARTIAL);
	scene->slots[SLOT].is_tripped = 0;
	struct prober_request request = answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
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

	scene->has_operators = 1;
	go_full(scene);
	trip(scene);
	scene->slots[SLOT].is_tripped = 0;
	answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
	since_ns = evidence->since_ns;
	heap_process_tick(scene->process, now_ns + NS_PER_SECOND);
	heap_process_tick(scene->process, now_ns + 60 * NS_PER_SECOND);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_PARTIAL);
	heap_process_tick(scene->process, now_ns + 61 * NS_PER_SECOND);
	assert_int_equal(answer_prober(scene, PROBER_FULL, (struct prober_reply){0}).value, 1);
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

	scene->has_operators = 1;
	go_full(scene);
	trip(scene);
	scene->slots[SLOT].is_tripped = 0;
	answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
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
	answer_prober(scene, PROBER_STOP, (struct prober_reply){0});
	heap_process_pause(scene->process, 0);
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_STARTING);
	answer_prober(scene, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(heap_process_tier(scene->process), HEAP_TIER_FULL);
	assert_int_equal(heap_process_evidence(scene->process)->incomplete_ns, 0);
}

static void test_leaving_waits_for_the_code_to_be_compared(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	assert_true(heap_process_leave(scene->process, on_left, scene));
	assert_int_equal(scene->left_count, 0);
	assert_int_equal(scene->slots[SLOT].mode, HEAP_OFF);
	answer_prober(scene, PROBER_STOP, (struct prober_reply){.compared = 8});
	assert_int_equal(scene->left_count, 1);
	assert_int_equal(scene->counters.values[COUNTER_CODE_COMPARED], 8);
}

static void test_a_prober_that_dies_ends_leaving_too(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	assert_true(heap_process_leave(scene->process, on_left, scene));
	close(scene->prober);
	scene->prober = -1;
	turn(scene);
	assert_int_equal(scene->left_count, 1);
}

static void test_a_prober_that_dies_is_a_failure(void **state)
{
	struct scene *scene = *state;

	go_full(scene);
	close(scene->prober);
	scene->prober = -1;
	turn(scene);
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
	event_base_loop(scene->sources.base, EVLOOP_ONCE);
	answer_prober(scene, PROBER_SWEEP, (struct prober_reply){0});
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
