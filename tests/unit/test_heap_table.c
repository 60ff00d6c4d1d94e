/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_table.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/core/processes/cgroup_table.h"
#include "daemon/core/processes/process_info.h"
#include "daemon/core/targets/target_table.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/heap_workers.h"

#define MAX_CHILDREN HEAP_MAX_SLOTS

/* In place of the target table: targets 1 and 2. */
static struct target targets[2];

struct target *target_table_by_number(struct target_table *table, uint32_t number)
{
	(void)table;
	for (uint32_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (targets[i].number == number)
			return &targets[i];
	return NULL;
}

uint32_t target_table_count(const struct target_table *table)
{
	(void)table;
	return ARRAY_SIZE(targets);
}

struct target *target_table_at(struct target_table *table, uint32_t i)
{
	(void)table;
	return &targets[i];
}

/* A table, processes to watch, and the test as broker, elf reader and prober. */
struct scene {
	struct heap_workers workers;
	struct cgroup_table *cgroups;
	struct heap_table *table;
	pid_t children[MAX_CHILDREN];
	int child_count;
	int done_count;
	int error;
};

static void on_done(void *context, int error)
{
	struct scene *scene = context;

	scene->done_count++;
	scene->error = error;
}

static int set_up(void **state)
{
	struct scene *scene = memory_new(sizeof(*scene));

	heap_workers_init(&scene->workers);
	for (uint32_t i = 0; i < ARRAY_SIZE(targets); i++)
		targets[i] = (struct target){.number = i + 1,
					     .events = 1U << EVENT_HEAP,
					     .owner_uid = TARGET_PRIVILEGED,
					     .follows_children = 1};
	scene->cgroups = cgroup_table_new();
	scene->table = heap_table_new(&scene->workers.sources, NULL, scene->cgroups);
	*state = scene;
	return 0;
}

static int tear_down(void **state)
{
	struct scene *scene = *state;

	heap_table_free(scene->table);
	cgroup_table_free(scene->cgroups);
	heap_workers_fini(&scene->workers);
	for (int i = 0; i < scene->child_count; i++) {
		kill(scene->children[i], SIGKILL);
		waitpid(scene->children[i], NULL, 0);
	}
	free(scene);
	return 0;
}

/* A process that does nothing, of a target. */
static struct heap_subject start_process(struct scene *scene, uint32_t target)
{
	struct process_info info;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	scene->children[scene->child_count++] = pid;
	assert_int_equal(process_info_read((uint32_t)pid, &info), 0);
	return (struct heap_subject){.target = target,
				     .pid = (uint32_t)pid,
				     .start_time_ns = info.start_time_ns,
				     .budget_percent = 1};
}

static int add(struct scene *scene, const struct heap_subject *subject)
{
	return heap_table_add(scene->table, subject, on_done, scene);
}

static struct heap_process *find(const struct scene *scene, const struct heap_subject *subject)
{
	return heap_table_find(scene->table, subject->pid, subject->start_time_ns);
}

/* Be broker, reader and prober until every allocation is recorded. */
static void go_full(struct scene *scene)
{
	heap_workers_search(&scene->workers, 1);
	heap_workers_start_prober(&scene->workers);
	heap_workers_answer_prober(&scene->workers, PROBER_ADD_FILE, (struct prober_reply){0});
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
}

static int is_broker_asked(const struct scene *scene)
{
	char byte;

	heap_workers_turn(&scene->workers);
	return recv(scene->workers.broker, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static struct record_process happened(const struct heap_subject *subject, uint32_t type)
{
	return (struct record_process){
		.header.type = type,
		.pid = subject->pid,
		.start_time_ns = subject->start_time_ns,
		.time_ns = NS_PER_SECOND,
	};
}

static struct record_process forked(const struct heap_subject *parent,
				    const struct heap_subject *child)
{
	struct record_process record = happened(child, RECORD_FORK);

	record.parent_pid = parent->pid;
	record.parent_start_time_ns = parent->start_time_ns;
	return record;
}

static void test_a_process_is_found_by_pid_and_by_slot(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject subject = start_process(scene, 2);
	const struct heap_process *process;

	assert_false(heap_table_is_active(scene->table));
	assert_int_equal(add(scene, &subject), 0);
	process = find(scene, &subject);
	assert_non_null(process);
	assert_ptr_equal(heap_table_by_slot(scene->table, 0), process);
	assert_null(heap_table_by_slot(scene->table, 1));
	assert_int_equal(heap_process_identity(process)->target, 2);
	assert_int_equal(heap_process_identity(process)->parent_pid, getpid());
	assert_null(heap_table_find(scene->table, subject.pid, subject.start_time_ns * 2));
	assert_true(heap_table_is_active(scene->table));
	go_full(scene);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
}

static void test_who_may_not_be_watched_is_refused(void **state)
{
	struct scene *scene = *state;
	struct heap_subject subject = start_process(scene, 3);

	assert_int_equal(add(scene, &subject), -ESRCH); /* no such target */
	subject.target = 1;
	subject.start_time_ns *= 2;
	assert_int_equal(add(scene, &subject), -ESRCH); /* another process of that pid */
	subject.start_time_ns /= 2;
	targets[0].owner_uid = geteuid() + 1; /* the process has gained rights since */
	assert_int_equal(add(scene, &subject), -EPERM);
	assert_int_equal(heap_table_count(scene->table), 0);
	targets[0].owner_uid = TARGET_PRIVILEGED;
	assert_int_equal(add(scene, &subject), 0);
	assert_int_equal(heap_table_count(scene->table), 1);
}

static void test_attaching_again_begins_anew_only_with_other_settings(void **state)
{
	struct scene *scene = *state;
	struct heap_subject subject = start_process(scene, 1);

	assert_int_equal(add(scene, &subject), 0);
	go_full(scene);
	assert_int_equal(add(scene, &subject), 0);
	assert_int_equal(scene->done_count, 2);
	assert_false(is_broker_asked(scene));
	subject.budget_percent = 2;
	assert_int_equal(add(scene, &subject), 0);
	assert_int_equal(scene->done_count, 2);
	assert_int_equal(heap_table_count(scene->table), 1);
	assert_int_equal(heap_process_tier(find(scene, &subject)), HEAP_TIER_STARTING);
}

static void test_a_slot_is_free_again_when_its_target_is_gone(void **state)
{
	struct scene *scene = *state;
	struct heap_subject subject;

	for (int i = 0; i < HEAP_CALIBRATION_SLOT; i++) {
		subject = start_process(scene, i ? 1 : 2);
		assert_int_equal(add(scene, &subject), 0);
	}
	subject = start_process(scene, 1);
	assert_int_equal(add(scene, &subject), -E2BIG);
	targets[1].events = 1U << EVENT_CPU;
	heap_table_sync(scene->table);
	assert_int_equal(heap_table_count(scene->table), HEAP_CALIBRATION_SLOT - 1);
	/* Who waited for it to be watched hears that it is not. */
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, -ESRCH);
	assert_int_equal(add(scene, &subject), 0);
}

static void test_a_target_that_is_stopped_pauses_its_processes(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject subject = start_process(scene, 1);

	assert_int_equal(add(scene, &subject), 0);
	go_full(scene);
	targets[0].state = TARGET_STOPPED;
	heap_table_sync(scene->table);
	heap_workers_answer_prober(&scene->workers, PROBER_STOP, (struct prober_reply){0});
	assert_int_equal(heap_process_tier(find(scene, &subject)), HEAP_TIER_STOPPED);
	targets[0].state = TARGET_RUNNING;
	heap_table_sync(scene->table);
	heap_workers_answer_prober(&scene->workers, PROBER_FULL, (struct prober_reply){0});
	assert_int_equal(heap_process_tier(find(scene, &subject)), HEAP_TIER_FULL);
}

static void test_a_process_is_watched_anew_when_its_probes_are_gone(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject subject = start_process(scene, 1);

	assert_int_equal(add(scene, &subject), 0);
	go_full(scene);
	targets[0].number = 0;
	heap_table_sync(scene->table);
	assert_int_equal(heap_table_count(scene->table), 0);
	assert_null(heap_table_by_slot(scene->table, 0));
	targets[0].number = 1;
	assert_int_equal(add(scene, &subject), 0);
	assert_ptr_equal(heap_table_by_slot(scene->table, 1), find(scene, &subject));
	assert_false(is_broker_asked(scene));
	heap_workers_answer_prober(&scene->workers, PROBER_STOP, (struct prober_reply){0});
	assert_true(is_broker_asked(scene));
}

static void test_a_process_that_ended_keeps_what_it_held_until_its_records_were_taken(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject subject = start_process(scene, 1);
	const struct record_process exited = happened(&subject, RECORD_EXIT);

	assert_int_equal(add(scene, &subject), 0);
	go_full(scene);
	heap_table_on_process(scene->table, &exited);
	assert_int_equal(heap_process_tier(find(scene, &subject)), HEAP_TIER_FULL);
	heap_table_on_drained(scene->table);
	assert_int_equal(heap_process_tier(find(scene, &subject)), HEAP_TIER_ENDED);
	assert_null(heap_table_by_slot(scene->table, 0));
	assert_false(heap_table_is_active(scene->table));
}

static void test_late_records_of_a_process_do_not_meet_the_next(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject first = start_process(scene, 1), second = start_process(scene, 1);
	const struct record_process exited = happened(&first, RECORD_EXIT);

	assert_int_equal(add(scene, &first), 0);
	go_full(scene);
	heap_table_on_process(scene->table, &exited);
	heap_table_on_drained(scene->table);
	assert_int_equal(add(scene, &second), 0);
	assert_null(heap_table_by_slot(scene->table, 0));
	assert_ptr_equal(heap_table_by_slot(scene->table, 1), find(scene, &second));
}

static void test_another_program_is_watched_from_its_beginning(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject subject = start_process(scene, 1);
	const struct record_process executed = happened(&subject, RECORD_EXEC);

	assert_int_equal(add(scene, &subject), 0);
	heap_table_on_process(scene->table, &executed);
	heap_table_on_drained(scene->table);
	/* Who waits for the probes waits on, and hears of the new program's. */
	assert_int_equal(scene->done_count, 0);
	heap_workers_answer_maps(&scene->workers); /* of the program before */
	go_full(scene);
	assert_int_equal(scene->done_count, 1);
	assert_int_equal(scene->error, 0);
	assert_int_equal(heap_table_count(scene->table), 1);
}

static void test_children_are_watched_when_they_live_for_a_second(void **state)
{
	static const struct {
		int follows_children, is_storm, has_exited, wanted;
	} cases[] = {{1, 0, 0, 1}, {0, 0, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 0}};
	struct scene *scene = *state;
	const struct heap_subject parent = start_process(scene, 1);

	assert_int_equal(add(scene, &parent), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct heap_subject child = start_process(scene, 1);
		struct record_process record = forked(&parent, &child);
		const struct record_process exited = happened(&child, RECORD_EXIT);

		targets[0].follows_children = cases[i].follows_children;
		if (cases[i].is_storm)
			record.header.type = RECORD_CHILD;
		heap_table_on_process(scene->table, &record);
		if (cases[i].has_exited)
			heap_table_on_process(scene->table, &exited);
		heap_table_tick(scene->table, record.time_ns + NS_PER_SECOND - 1);
		assert_null(find(scene, &child));
		heap_table_tick(scene->table, record.time_ns + NS_PER_SECOND);
		assert_int_equal(find(scene, &child) != NULL, cases[i].wanted);
	}
}

static void test_children_of_children_that_are_waited_for_are_watched_too(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject parent = start_process(scene, 2), child = start_process(scene, 2),
				  grandchild = start_process(scene, 2);
	const struct record_process first = forked(&parent, &child),
				    second = forked(&child, &grandchild);

	assert_int_equal(add(scene, &parent), 0);
	heap_table_on_process(scene->table, &first);
	heap_table_on_process(scene->table, &second);
	heap_table_tick(scene->table, first.time_ns + NS_PER_SECOND);
	assert_non_null(find(scene, &grandchild));
	assert_int_equal(heap_process_identity(find(scene, &grandchild))->target, 2);
}

static void test_the_living_children_come_with_a_process_unless_they_are_attached(void **state)
{
	struct scene *scene = *state;
	const struct heap_subject own = start_process(scene, 2), other = start_process(scene, 1);
	const struct heap_subject parent = {
		.target = 1, .pid = (uint32_t)getpid(), .budget_percent = 1};

	assert_int_equal(add(scene, &own), 0);
	assert_int_equal(heap_table_add_family(scene->table, &parent), 0);
	assert_int_equal(heap_table_count(scene->table), 2);
	assert_int_equal(heap_process_identity(find(scene, &own))->target, 2);
	assert_int_equal(heap_process_identity(find(scene, &other))->target, 1);
}

static void test_targets_are_charged_anew_each_second(void **state)
{
	struct scene *scene = *state;

	targets[0].heap_cost_ns = targets[0].heap_base_ns = 5;
	heap_table_tick(scene->table, NS_PER_SECOND);
	assert_int_equal(targets[0].heap_cost_ns, 0);
	assert_int_equal(targets[0].heap_base_ns, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_a_process_is_found_by_pid_and_by_slot),
		TEST(test_who_may_not_be_watched_is_refused),
		TEST(test_attaching_again_begins_anew_only_with_other_settings),
		TEST(test_a_slot_is_free_again_when_its_target_is_gone),
		TEST(test_a_target_that_is_stopped_pauses_its_processes),
		TEST(test_a_process_is_watched_anew_when_its_probes_are_gone),
		TEST(test_a_process_that_ended_keeps_what_it_held_until_its_records_were_taken),
		TEST(test_late_records_of_a_process_do_not_meet_the_next),
		TEST(test_another_program_is_watched_from_its_beginning),
		TEST(test_children_are_watched_when_they_live_for_a_second),
		TEST(test_children_of_children_that_are_waited_for_are_watched_too),
		TEST(test_the_living_children_come_with_a_process_unless_they_are_attached),
		TEST(test_targets_are_charged_anew_each_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
