/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_tasks.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/frame.h"
#include "daemon/core/sampling/perf_backlog.h"
#include "daemon/core/sampling/perf_processes.h"
#include "daemon/core/sampling/perf_record.h"
#include "daemon/core/sampling/profiled_set.h"
#include "daemon/core/sampling/receiver.h"
#include "daemon/core/workers/broker_client.h"
#include "tests/unit/cmocka_all.h"

#define CHILD  4194305 /* more than a pid can be */
#define TARGET 7

/* What was told of processes and files, and what is asked of the broker. */
static struct record_process told[8];
static struct record_module modules[8];
static size_t told_count, module_count;
static broker_done *maps_wanted;
static void *maps_context;
static uint32_t maps_pid;

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_int_equal(request->type, BROKER_OPEN_PROC);
	assert_int_equal(request->value, BROKER_PROC_MAPS);
	assert_null(maps_wanted);
	maps_wanted = done;
	maps_context = context;
	maps_pid = request->pid;
}

static void on_process(void *context, const struct record_process *record)
{
	(void)context;
	assert_true(told_count < ARRAY_SIZE(told));
	told[told_count++] = *record;
}

static void on_module(void *context, const struct record_module *record)
{
	(void)context;
	assert_true(module_count < ARRAY_SIZE(modules));
	modules[module_count++] = *record;
}

static void on_sample(void *context, const struct record_sample *sample)
{
	(void)context;
	(void)sample;
}

static const struct sampler_receiver receiver = {.on_process = on_process, .on_module = on_module};

struct scene {
	struct perf_processes *processes;
	struct profiled_set *profiled;
	struct perf_backlog *backlog;
	struct perf_tasks *tasks;
	uint64_t counters[KERNEL_COUNTER_COUNT];
};

/* We are profiled, with the children that we fork if flags say so. */
static void start(struct scene *scene, uint32_t flags)
{
	const struct profiled own = {.keep = UINT32_MAX, .target = TARGET, .flags = flags};

	*scene = (struct scene){.processes = perf_processes_new(), .profiled = profiled_set_new()};
	scene->backlog = perf_backlog_new(NULL, scene->processes, on_sample, NULL);
	scene->tasks = perf_tasks_new(&(struct perf_tasks_setup){
		.receiver = &receiver,
		.processes = scene->processes,
		.profiled = scene->profiled,
		.backlog = scene->backlog,
		.counters = scene->counters,
	});
	told_count = module_count = 0;
	maps_wanted = NULL;
	assert_int_equal(profiled_set_add_process(scene->profiled, (uint32_t)getpid(), &own), 0);
}

/* Answer a request for mappings with text, NULL: they cannot be had. */
static void answer_maps(const char *text)
{
	broker_done *done = maps_wanted;
	int fd = memfd_create("maps", 0);

	assert_non_null(done);
	maps_wanted = NULL;
	if (!text) {
		close(fd);
		done(maps_context, -ESRCH, NULL, 0);
		return;
	}
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
	done(maps_context, 0, &fd, 1);
}

static void stop(struct scene *scene)
{
	if (maps_wanted)
		maps_wanted(maps_context, -ECANCELED, NULL, 0);
	perf_tasks_free(scene->tasks);
	perf_backlog_free(scene->backlog);
	profiled_set_free(scene->profiled);
	perf_processes_free(scene->processes);
}

static void fork_child(struct scene *scene, uint32_t parent, uint32_t pid, uint64_t time_ns)
{
	const struct perf_record record = {
		.type = PERF_RECORD_FORK, .pid = pid, .tid = pid, .task = {.parent_pid = parent}};

	perf_tasks_on_record(scene->tasks, &record, time_ns);
}

static void run_program(struct scene *scene, uint32_t pid, const char *name, uint64_t time_ns)
{
	const struct perf_record record = {
		.type = PERF_RECORD_COMM,
		.pid = pid,
		.tid = pid,
		.name = {.text = name, .length = (uint32_t)strlen(name), .is_exec = 1}};

	perf_tasks_on_record(scene->tasks, &record, time_ns);
}

static void map_file(struct scene *scene, uint32_t pid, uint64_t start, uint64_t inode)
{
	static const char path[] = "/lib/some.so";
	const struct perf_record record = {.type = PERF_RECORD_MMAP2,
					   .pid = pid,
					   .mapping = {.start = start,
						       .end = start + 0x1000,
						       .inode = inode,
						       .file_offset = 0x2000,
						       .path = path,
						       .path_length = sizeof(path) - 1}};

	perf_tasks_on_record(scene->tasks, &record, 1);
}

static void end_thread(struct scene *scene, uint32_t pid, uint32_t tid, uint64_t time_ns)
{
	const struct perf_record record = {.type = PERF_RECORD_EXIT, .pid = pid, .tid = tid};

	perf_tasks_on_record(scene->tasks, &record, time_ns);
}

static void test_a_child_that_is_followed_is_told_of_until_it_ends(void **state)
{
	static const uint32_t types[] = {RECORD_FORK, RECORD_EXEC, RECORD_EXIT};
	struct profiled profiled;
	struct scene scene;

	(void)state;
	start(&scene, PROFILED_FOLLOW);
	fork_child(&scene, (uint32_t)getpid(), CHILD, 100);
	assert_true(profiled_set_follows(scene.profiled, CHILD, &profiled));
	assert_int_equal(profiled.target, TARGET);
	run_program(&scene, CHILD, "worker", 200);
	end_thread(&scene, CHILD, CHILD, 300);
	assert_int_equal(told_count, ARRAY_SIZE(types));
	for (size_t i = 0; i < told_count; i++) {
		assert_int_equal(told[i].header.type, types[i]);
		assert_int_equal(told[i].pid, CHILD);
		assert_int_equal(told[i].target, TARGET);
		assert_int_equal(told[i].time_ns, 100 * (i + 1));
		assert_int_equal(told[i].start_time_ns, 100);
	}
	assert_string_equal(told[1].process_name, "worker");
	assert_false(profiled_set_follows(scene.profiled, CHILD, &profiled));
	stop(&scene);
}

static void test_a_child_that_is_not_followed_is_nobodys_business(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene, 0);
	fork_child(&scene, (uint32_t)getpid(), CHILD, 100);
	run_program(&scene, CHILD, "worker", 200);
	end_thread(&scene, CHILD, CHILD, 300);
	assert_int_equal(told_count, 0);
	assert_null(perf_processes_find(scene.processes, CHILD));
	stop(&scene);
}

static void test_threads_are_no_children(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene, PROFILED_FOLLOW);
	fork_child(&scene, (uint32_t)getpid(), (uint32_t)getpid(), 100);
	assert_int_equal(told_count, 0);
	stop(&scene);
}

static void test_a_file_is_announced_once_whoever_maps_it(void **state)
{
	struct scene scene;

	(void)state;
	start(&scene, PROFILED_FOLLOW);
	fork_child(&scene, (uint32_t)getpid(), CHILD, 100);
	map_file(&scene, CHILD, 0x10000, 42);
	map_file(&scene, (uint32_t)getpid(), 0x50000, 42);
	map_file(&scene, CHILD, 0x20000, 43);
	map_file(&scene, CHILD + 1, 0x20000, 44); /* a process that nobody asked for */
	assert_int_equal(module_count, 2);
	assert_int_equal(modules[0].key.inode, 42);
	assert_int_equal(modules[0].pid, CHILD);
	assert_int_equal(modules[0].path_length, strlen("/lib/some.so"));
	assert_int_equal(modules[1].key.inode, 43);
	assert_int_not_equal(modules[0].module, modules[1].module);

	const struct perf_process *child = perf_processes_find(scene.processes, CHILD);
	assert_int_equal(child->mappings.count, 2);
	assert_int_equal(child->mappings.mappings[0].module, modules[0].module);
	assert_int_equal(child->mappings.mappings[0].offset, 0x2000);
	stop(&scene);
}

static void test_what_was_mapped_since_lies_above_what_proc_tells(void **state)
{
	static const char maps[] = "00010000-00013000 r-xp 00000000 08:01 50  /bin/old\n"
				   "00020000-00021000 rw-p 00000000 00:00 0\n";
	struct perf_process *process;
	struct scene scene;

	(void)state;
	start(&scene, 0);
	process = perf_processes_meet(scene.processes, (uint32_t)getpid());
	perf_tasks_ask_mappings(scene.tasks, process);
	perf_tasks_ask_mappings(scene.tasks, process); /* is on its way */
	assert_int_equal(maps_pid, getpid());
	map_file(&scene, (uint32_t)getpid(), 0x11000, 42);
	answer_maps(maps);
	assert_int_equal(process->state, PERF_MAPPINGS_KNOWN);
	assert_int_equal(process->mappings.count, 3);
	assert_true(process->mappings.mappings[1].start == 0x11000);
	assert_int_equal(process->mappings.mappings[1].module, modules[0].module);
	assert_true(process->mappings.mappings[2].offset == 0x2000);
	stop(&scene);
}

static void test_mappings_of_the_program_before_come_too_late(void **state)
{
	static const char maps[] = "00010000-00013000 r-xp 00000000 08:01 50  /bin/old\n";
	struct perf_process *process;
	struct scene scene;

	(void)state;
	start(&scene, 0);
	process = perf_processes_meet(scene.processes, (uint32_t)getpid());
	perf_tasks_ask_mappings(scene.tasks, process);
	run_program(&scene, (uint32_t)getpid(), "other", 500);
	answer_maps(maps);
	assert_int_equal(process->mappings.count, 0);
	assert_int_equal(module_count, 0);
	stop(&scene);
}

static void test_a_process_without_mappings_is_not_waited_for(void **state)
{
	struct perf_process *process;
	struct scene scene;

	(void)state;
	start(&scene, 0);
	process = perf_processes_meet(scene.processes, (uint32_t)getpid());
	perf_tasks_ask_mappings(scene.tasks, process);
	answer_maps(NULL);
	assert_int_equal(process->state, PERF_MAPPINGS_KNOWN);
	stop(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_that_is_followed_is_told_of_until_it_ends),
		cmocka_unit_test(test_a_child_that_is_not_followed_is_nobodys_business),
		cmocka_unit_test(test_threads_are_no_children),
		cmocka_unit_test(test_a_file_is_announced_once_whoever_maps_it),
		cmocka_unit_test(test_what_was_mapped_since_lies_above_what_proc_tells),
		cmocka_unit_test(test_mappings_of_the_program_before_come_too_late),
		cmocka_unit_test(test_a_process_without_mappings_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
