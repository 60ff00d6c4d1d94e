/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_family.h"

#include <errno.h>
#include <stdlib.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

/* In place of /proc: processes as {pid, parent}. */
static struct process_info processes[8];
static size_t process_count;
static int error_of_proc;

int process_info_each(void (*visit)(void *context, const struct process_info *info), void *context)
{
	for (size_t i = 0; !error_of_proc && i < process_count; i++)
		visit(context, &processes[i]);
	return error_of_proc;
}

static void test_descendants_are_found_parents_first(void **state)
{
	static const struct {
		uint32_t pairs[8][2];
		uint32_t of;
		uint32_t wanted[8];
	} cases[] = {
		{{{1, 0}, {5, 1}, {6, 5}, {7, 1}}, 1, {5, 7, 6}},
		{{{1, 0}, {5, 1}, {6, 5}, {7, 1}}, 5, {6}},
		{{{1, 0}, {5, 1}, {6, 5}, {7, 1}}, 7, {0}},
		/* A child may have a lower pid than its parent, and be listed before it. */
		{{{3, 9}, {9, 5}, {5, 1}}, 5, {9, 3}},
		/* Gone meanwhile: its children are nobody's. */
		{{{6, 5}, {7, 6}}, 1, {0}},
		/* Pids that were used again while /proc was read may seem to go round in circles. */
		{{{5, 6}, {6, 5}}, 5, {6}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct process_family family = {0};
		uint32_t count = 0;

		process_count = 0;
		for (size_t k = 0; k < 8 && cases[i].pairs[k][0]; k++)
			processes[process_count++] = (struct process_info){
				.pid = cases[i].pairs[k][0], .parent_pid = cases[i].pairs[k][1]};
		assert_int_equal(process_family_find(cases[i].of, &family), 0);
		for (; count < 8 && cases[i].wanted[count]; count++) {
			assert_true(count < family.count);
			assert_int_equal(family.members[count].pid, cases[i].wanted[count]);
		}
		assert_int_equal(family.count, count);
		free(family.members);
	}
}

static void test_circles_among_descendants_end(void **state)
{
	struct process_family family = {0};

	(void)state;
	process_count = 3;
	processes[0] = (struct process_info){.pid = 5, .parent_pid = 1};
	processes[1] = (struct process_info){.pid = 6, .parent_pid = 5};
	processes[2] = (struct process_info){.pid = 5, .parent_pid = 6};
	assert_int_equal(process_family_find(1, &family), 0);
	assert_in_range(family.count, 2, 8);
	free(family.members);
}

static void test_what_is_known_already_stays(void **state)
{
	struct process_family family = {0};

	(void)state;
	process_count = 1;
	processes[0] = (struct process_info){.pid = 5, .parent_pid = 1};
	assert_int_equal(process_family_find(1, &family), 0);
	process_count = 2;
	processes[0] = (struct process_info){.pid = 9, .parent_pid = 2};
	processes[1] = (struct process_info){.pid = 8, .parent_pid = 5}; /* not asked for */
	assert_int_equal(process_family_find(2, &family), 0);
	assert_int_equal(family.count, 2);
	assert_int_equal(family.members[0].pid, 5);
	assert_int_equal(family.members[1].pid, 9);
	error_of_proc = -EACCES;
	assert_int_equal(process_family_find(2, &family), -EACCES);
	assert_int_equal(family.count, 2);
	error_of_proc = 0;
	free(family.members);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descendants_are_found_parents_first),
		cmocka_unit_test(test_circles_among_descendants_end),
		cmocka_unit_test(test_what_is_known_already_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
