/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_backlog.h"

#include <string.h>

#include "common/frame.h"
#include "daemon/core/sampling/perf_processes.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/only_module.h"

#define PID           77
#define STACK_ADDRESS 0x7fff0000
#define CODE_START    0x400000
#define CODE_END      0x500000
#define MODULE_NUMBER 5
#define TIME_NS       UINT64_C(1000)
#define SAMPLE_BYTES                    \
	(sizeof(struct record_sample) + \
	 (RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES) * sizeof(uint64_t))

/* A backlog, a process, and a sample of it with a stack of frame pointers. */
struct scene {
	struct perf_processes *processes;
	struct perf_process *process;
	struct perf_backlog *backlog;
	struct record_sample *sample; /* with room for every frame */
	uint64_t words[4];
	struct mapping mapping;
	struct perf_waiting waiting;
	uint32_t done_count;
	enum walk_end walk_end; /* of the one that was done last */
	uint32_t user_count;
	uint32_t owner_uid, owner_gid;
};

static void on_done(void *context, const struct record_sample *sample)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->walk_end = (enum walk_end)sample->walk_end;
	scene->user_count = sample->user_count;
	scene->owner_uid = sample->owner_uid;
	scene->owner_gid = sample->owner_gid;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));
	uint64_t registers[SAVED_COUNT] = {0};

	only_module =
		(struct module){.number = MODULE_NUMBER, .state = MODULE_UNREADABLE, .fd = -1};
	scene->processes = perf_processes_new();
	scene->process = perf_processes_add(scene->processes, PID);
	scene->process->state = PERF_MAPPINGS_KNOWN;
	scene->backlog = perf_backlog_new(NULL, scene->processes, on_done, scene);
	scene->sample = memory_new(SAMPLE_BYTES);
	scene->sample->time_ns = TIME_NS;
	scene->sample->pid = PID;
	scene->sample->owner_uid = scene->sample->owner_gid = 1000;
	scene->words[0] = STACK_ADDRESS + 16;
	scene->words[1] = CODE_START + 0x100;
	scene->words[3] = 0;
	scene->mapping = (struct mapping){CODE_START, CODE_END, 0, MODULE_NUMBER, 0};
	registers[SAVED_RIP] = CODE_START + 0x10;
	registers[SAVED_RSP] = registers[SAVED_RBP] = STACK_ADDRESS;
	scene->waiting = (struct perf_waiting){
		.sample = scene->sample,
		.stack = {.address = STACK_ADDRESS,
			  .bytes = (const uint8_t *)scene->words,
			  .size = sizeof(scene->words),
			  .mappings = &scene->mapping,
			  .mapping_count = 1},
		.has_mappings = 1,
	};
	copied_walk_start(&scene->waiting.walk, registers);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	perf_backlog_free(scene->backlog);
	perf_processes_free(scene->processes);
	free(scene->sample);
	free(scene);
	return 0;
}

static void assert_whole(const struct scene *scene)
{
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->walk_end, WALK_ROOT);
	assert_int_equal(scene->user_count, 2);
	assert_int_equal(perf_backlog_count(scene->backlog), 0);
}

static void test_what_need_not_wait_goes_on_at_once(void **state)
{
	struct scene *scene = *state;

	perf_backlog_add(scene->backlog, &scene->waiting);
	assert_whole(scene);
	assert_int_equal(scene->owner_uid, 1000);
}

static void test_a_sample_waits_for_the_table_of_a_module(void **state)
{
	struct scene *scene = *state;

	only_module.state = MODULE_READING;
	perf_backlog_add(scene->backlog, &scene->waiting);
	/* The ring is overwritten. */
	memset(scene->words, 0xff, sizeof(scene->words));
	memset(&scene->mapping, 0xff, sizeof(scene->mapping));
	perf_backlog_continue(scene->backlog, TIME_NS + 100);
	assert_int_equal(scene->done_count, 0);
	only_module.state = MODULE_UNREADABLE;
	perf_backlog_continue(scene->backlog, TIME_NS + 200);
	assert_whole(scene);
}

static void test_a_sample_waits_for_the_mappings_of_its_process(void **state)
{
	struct scene *scene = *state;

	scene->process->state = PERF_MAPPINGS_ASKED;
	scene->waiting.has_mappings = 0;
	scene->waiting.stack.mapping_count = 0;
	perf_backlog_add(scene->backlog, &scene->waiting);
	perf_backlog_continue(scene->backlog, TIME_NS + 100);
	assert_int_equal(scene->done_count, 0);
	mapping_list_add(&scene->process->mappings, &scene->mapping);
	scene->process->state = PERF_MAPPINGS_KNOWN;
	perf_backlog_continue(scene->backlog, TIME_NS + 200);
	assert_whole(scene);
}

static void test_a_process_that_is_gone_is_not_waited_for(void **state)
{
	struct scene *scene = *state;

	scene->process->state = PERF_MAPPINGS_ASKED;
	scene->waiting.has_mappings = 0;
	scene->waiting.stack.mapping_count = 0;
	perf_backlog_add(scene->backlog, &scene->waiting);
	perf_processes_remove(scene->processes, PID);
	perf_backlog_continue(scene->backlog, TIME_NS + 100);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->walk_end, WALK_UNMAPPED);
}

static void test_nothing_waits_for_ever(void **state)
{
	struct scene *scene = *state;

	only_module.state = MODULE_READING;
	perf_backlog_add(scene->backlog, &scene->waiting);
	perf_backlog_continue(scene->backlog, TIME_NS + PERF_BACKLOG_LIMIT_NS - 1);
	assert_int_equal(scene->done_count, 0);
	perf_backlog_continue(scene->backlog, TIME_NS + PERF_BACKLOG_LIMIT_NS);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->walk_end, WALK_NO_TABLE);
}

static void test_an_owner_counts_when_no_other_program_was_run_before_it_was_read(void **state)
{
	struct scene *scene = *state;

	scene->waiting.sure_ns = TIME_NS + 500;
	perf_backlog_add(scene->backlog, &scene->waiting);
	perf_backlog_continue(scene->backlog, TIME_NS + 499);
	assert_int_equal(scene->done_count, 0);
	/* Behind the reading: that program is none of this sample's business. */
	perf_backlog_on_exec(scene->backlog, PID, TIME_NS + 501);
	perf_backlog_on_exec(scene->backlog, PID + 1, TIME_NS + 100);
	perf_backlog_continue(scene->backlog, TIME_NS + 500);
	assert_whole(scene);
	assert_int_equal(scene->owner_uid, 1000);
}

static void test_a_sample_before_another_program_is_nobodys(void **state)
{
	struct scene *scene = *state;

	scene->waiting.sure_ns = TIME_NS + 500;
	perf_backlog_add(scene->backlog, &scene->waiting);
	perf_backlog_on_exec(scene->backlog, PID, TIME_NS + 100);
	perf_backlog_continue(scene->backlog, TIME_NS + 500);
	assert_whole(scene);
	assert_int_equal(scene->owner_uid, RECORD_NO_OWNER);
	assert_int_equal(scene->owner_gid, RECORD_NO_OWNER);
}

static void test_what_finds_no_room_goes_on_as_it_is_and_is_nobodys(void **state)
{
	struct scene *scene = *state;

	scene->waiting.sure_ns = TIME_NS + 500;
	for (uint32_t i = 0; i < PERF_BACKLOG_MAX; i++) {
		struct perf_waiting waiting = scene->waiting;

		waiting.sample->user_count = 0;
		perf_backlog_add(scene->backlog, &waiting);
	}
	assert_int_equal(perf_backlog_count(scene->backlog), PERF_BACKLOG_MAX);
	assert_int_equal(scene->done_count, 0);
	scene->sample->user_count = 0;
	perf_backlog_add(scene->backlog, &scene->waiting);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->owner_uid, RECORD_NO_OWNER);
	perf_backlog_flush(scene->backlog);
	assert_int_equal(scene->done_count, PERF_BACKLOG_MAX + 1);
	assert_int_equal(perf_backlog_count(scene->backlog), 0);
}

static void test_a_stack_that_could_not_be_copied_is_that_of_an_exiting_process(void **state)
{
	struct scene *scene = *state;

	scene->sample->flags = SAMPLE_IN_KERNEL;
	scene->waiting.stack.size = 0;
	perf_backlog_add(scene->backlog, &scene->waiting);
	assert_int_equal(scene->walk_end, WALK_NO_MEMORY);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_need_not_wait_goes_on_at_once),
		TEST(test_a_sample_waits_for_the_table_of_a_module),
		TEST(test_a_sample_waits_for_the_mappings_of_its_process),
		TEST(test_a_process_that_is_gone_is_not_waited_for),
		TEST(test_nothing_waits_for_ever),
		TEST(test_an_owner_counts_when_no_other_program_was_run_before_it_was_read),
		TEST(test_a_sample_before_another_program_is_nobodys),
		TEST(test_what_finds_no_room_goes_on_as_it_is_and_is_nobodys),
		TEST(test_a_stack_that_could_not_be_copied_is_that_of_an_exiting_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
