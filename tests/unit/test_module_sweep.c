/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/module_sweep.h"

#include <errno.h>
#include <string.h>

#include "common/frame.h"
#include "common/memory.h"
#include "daemon/core/history/stack_table.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/names/symbolizer.h"
#include "daemon/core/sampling/sampler.h"
#include "daemon/core/unwinding/unwind_tables.h"
#include "tests/unit/cmocka_all.h"

#define NOW_S 100000
#define FILES (MODULE_SWEEP_KEEP + 3)

/* The host's files, by number. */
static struct {
	struct module module;
	uint32_t used_s;
	int is_there, is_forgotten, is_free;
} files[MODULE_FIRST_FILE + FILES];
static int is_looking_up;

struct module *module_table_find(const struct module_table *table, uint32_t number)
{
	(void)table;
	return number < ARRAY_SIZE(files) && files[number].is_there ? &files[number].module : NULL;
}

uint32_t module_table_count(const struct module_table *table, uint32_t *unreadable)
{
	uint32_t count = 0;

	(void)table;
	*unreadable = 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		count += files[i].is_there != 0;
	return count;
}

void module_table_remove(struct module_table *table, struct module *module)
{
	(void)table;
	files[module->number].is_there = 0;
}

uint32_t unwind_tables_used_s(const struct unwind_tables *tables, uint32_t number)
{
	(void)tables;
	return files[number].used_s;
}

void unwind_tables_remove(struct unwind_tables *tables, uint32_t number)
{
	(void)tables;
	assert_true(files[number].is_there);
}

void sampler_forget_module(struct sampler *sampler, const struct module_key *key)
{
	(void)sampler;
	assert_false(files[key->inode].is_forgotten);
	files[key->inode].is_forgotten = 1;
}

void sampler_free_module(struct sampler *sampler, uint32_t number)
{
	(void)sampler;
	assert_true(files[number].is_forgotten && !files[number].is_there);
	files[number].is_free = 1;
}

int symbolizer_forget_addresses(struct symbolizer *symbolizer)
{
	(void)symbolizer;
	return is_looking_up ? -EBUSY : 0;
}

static struct stack_table *stacks;

/* count files, all used just now. */
static struct module_sweep *start(uint32_t count)
{
	memset(files, 0, sizeof(files));
	is_looking_up = 0;
	for (uint32_t i = MODULE_FIRST_FILE; i < MODULE_FIRST_FILE + count; i++) {
		files[i].is_there = 1;
		files[i].used_s = NOW_S;
		files[i].module = (struct module){.number = i,
						  .state = MODULE_READY,
						  .key = {.inode = i},
						  .path = (char[]){"file"}};
	}
	return module_sweep_new(&(struct module_sweep_sources){.stacks = stacks});
}

#define LATER_S  (NOW_S + MODULE_SWEEP_IDLE_S)
#define LATEST_S (LATER_S + MODULE_SWEEP_PERIOD_S)

static void test_a_file_that_nobody_needs_leaves_in_two_steps(void **state)
{
	_cleanup_(module_sweep_freep) struct module_sweep *sweep = start(FILES);
	uint32_t first = MODULE_FIRST_FILE;

	(void)state;
	for (uint32_t i = first + 1; i < MODULE_FIRST_FILE + FILES; i++)
		files[i].used_s = LATER_S;
	module_sweep_tick(sweep, LATER_S);
	assert_true(files[first].is_forgotten && files[first].is_there);
	assert_false(files[first + 1].is_forgotten);
	module_sweep_tick(sweep, LATER_S + 1);
	assert_true(files[first].is_there);
	module_sweep_tick(sweep, LATEST_S);
	assert_true(files[first].is_free);
	assert_false(files[first + 1].is_forgotten);
}

static void test_so_many_are_kept_that_most_hosts_lose_none(void **state)
{
	_cleanup_(module_sweep_freep) struct module_sweep *few = start(MODULE_SWEEP_KEEP);
	uint32_t forgotten = 0;

	(void)state;
	module_sweep_tick(few, LATER_S);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		forgotten += files[i].is_forgotten != 0;
	assert_int_equal(forgotten, 0);

	_cleanup_(module_sweep_freep) struct module_sweep *many = start(FILES);
	module_sweep_tick(many, LATER_S);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		forgotten += files[i].is_forgotten != 0;
	assert_int_equal(forgotten, FILES - MODULE_SWEEP_KEEP);
}

static void test_what_a_stack_names_stays(void **state)
{
	_cleanup_(module_sweep_freep) struct module_sweep *sweep = start(FILES);
	const uint64_t frames[] = {frame_pack(MODULE_FIRST_FILE, 0x1000),
				   frame_pack(MODULE_KERNEL, 0x1000)};
	uint32_t stack = stack_table_add(stacks, frames, ARRAY_SIZE(frames));

	(void)state;
	module_sweep_tick(sweep, LATER_S);
	assert_false(files[MODULE_FIRST_FILE].is_forgotten);
	assert_true(files[MODULE_FIRST_FILE + 1].is_forgotten);
	stack_table_release(stacks, stack);
	module_sweep_tick(sweep, LATEST_S);
	assert_true(files[MODULE_FIRST_FILE + 1].is_free);
}

static void test_what_a_walk_came_to_in_between_waits_for_its_samples(void **state)
{
	_cleanup_(module_sweep_freep) struct module_sweep *sweep = start(FILES);
	const uint64_t frame = frame_pack(MODULE_FIRST_FILE, 0x1000);

	(void)state;
	module_sweep_tick(sweep, LATER_S);
	files[MODULE_FIRST_FILE].used_s = LATER_S + 1; /* by a walk that had looked it up already */
	module_sweep_tick(sweep, LATEST_S);
	assert_true(files[MODULE_FIRST_FILE].is_there);
	/* The sample has come. */
	uint32_t stack = stack_table_add(stacks, &frame, 1);
	module_sweep_tick(sweep, LATEST_S + MODULE_SWEEP_IDLE_S);
	assert_true(files[MODULE_FIRST_FILE].is_there);
	stack_table_release(stacks, stack);
	module_sweep_tick(sweep, LATEST_S + 2 * MODULE_SWEEP_IDLE_S);
	assert_true(files[MODULE_FIRST_FILE].is_free);
}

static void test_what_is_being_read_or_looked_up_stays(void **state)
{
	_cleanup_(module_sweep_freep) struct module_sweep *sweep = start(FILES);

	(void)state;
	files[MODULE_FIRST_FILE].module.state = MODULE_SEEKING_DEBUG;
	module_sweep_tick(sweep, LATER_S);
	assert_false(files[MODULE_FIRST_FILE].is_forgotten);
	is_looking_up = 1;
	module_sweep_tick(sweep, LATEST_S);
	assert_true(files[MODULE_FIRST_FILE + 1].is_forgotten &&
		    files[MODULE_FIRST_FILE + 1].is_there);
	is_looking_up = 0;
	module_sweep_tick(sweep, LATEST_S + MODULE_SWEEP_PERIOD_S);
	assert_true(files[MODULE_FIRST_FILE + 1].is_free);
}

static int make_stacks(void **state)
{
	(void)state;
	stacks = stack_table_new();
	return 0;
}

static int free_stacks(void **state)
{
	(void)state;
	stack_table_free(stacks);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_file_that_nobody_needs_leaves_in_two_steps),
		cmocka_unit_test(test_so_many_are_kept_that_most_hosts_lose_none),
		cmocka_unit_test(test_what_a_stack_names_stays),
		cmocka_unit_test(test_what_a_walk_came_to_in_between_waits_for_its_samples),
		cmocka_unit_test(test_what_is_being_read_or_looked_up_stays),
	};

	return cmocka_run_group_tests(tests, make_stacks, free_stacks);
}
