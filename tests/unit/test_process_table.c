/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_table.h"

#include <string.h>

#include "tests/unit/cmocka_all.h"

static struct record_sample sample_of(uint32_t pid, uint32_t tid, const char *name)
{
	struct record_sample sample = {
		.pid = pid, .tid = tid, .start_time_ns = 1000, .owner_uid = 7, .owner_gid = 8};

	memcpy(sample.process_name, name, strlen(name));
	memcpy(sample.thread_name, name, strlen(name));
	return sample;
}

static void test_a_thread_is_found_again(void **state)
{
	_cleanup_(process_table_freep) struct process_table *table = process_table_new();
	struct record_sample sample = sample_of(10, 11, "redis-server");

	(void)state;
	uint32_t thread = process_table_add(table, &sample);
	assert_int_equal(process_table_add(table, &sample), thread);
	assert_string_equal(process_table_thread(table, thread)->name, "redis-server");
	sample.tid = 12;
	uint32_t other = process_table_add(table, &sample);
	assert_int_not_equal(other, thread);
	assert_int_equal(process_table_thread(table, other)->process,
			 process_table_thread(table, thread)->process);
}

/* What was recorded keeps the name and the owner it had. */
static void test_another_image_owner_or_start_is_another_process(void **state)
{
	_cleanup_(process_table_freep) struct process_table *table = process_table_new();
	struct record_sample sample = sample_of(10, 10, "sh");
	uint32_t seen[4];

	(void)state;
	seen[0] = process_table_thread(table, process_table_add(table, &sample))->process;
	strcpy(sample.process_name, "ls");
	seen[1] = process_table_thread(table, process_table_add(table, &sample))->process;
	sample.owner_uid = RECORD_NO_OWNER;
	seen[2] = process_table_thread(table, process_table_add(table, &sample))->process;
	sample.start_time_ns++;
	seen[3] = process_table_thread(table, process_table_add(table, &sample))->process;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	assert_string_equal(process_table_process(table, seen[0])->name, "sh");
	assert_int_equal(process_table_process(table, seen[0])->owner_uid, 7);
}

static void test_released_entries_are_used_again(void **state)
{
	_cleanup_(process_table_freep) struct process_table *table = process_table_new();

	(void)state;
	for (uint32_t pid = 1; pid < 10000; pid++) {
		struct record_sample sample = sample_of(pid, pid, "true");
		uint32_t thread = process_table_add(table, &sample);

		process_table_keep(table, thread);
		process_table_release(table, thread);
		process_table_release(table, thread);
	}
	assert_int_equal(process_table_bytes(table), 0);
	assert_int_equal(process_table_process_limit(table), 1);
	assert_int_equal(process_table_thread_limit(table), 1);
}

static void test_hostile_names_become_text(void **state)
{
	_cleanup_(process_table_freep) struct process_table *table = process_table_new();
	struct record_sample sample = sample_of(10, 10, "");

	(void)state;
	memset(sample.process_name, 0xff, RECORD_NAME_BYTES);
	memcpy(sample.thread_name, "a\nb\x1b[31m", 9);
	uint32_t thread = process_table_add(table, &sample);
	const struct process *process =
		process_table_process(table, process_table_thread(table, thread)->process);
	assert_memory_equal(process->name, "\xef\xbf\xbd", 3);
	assert_null(strpbrk(process_table_thread(table, thread)->name, "\n\x1b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thread_is_found_again),
		cmocka_unit_test(test_another_image_owner_or_start_is_another_process),
		cmocka_unit_test(test_released_entries_are_used_again),
		cmocka_unit_test(test_hostile_names_become_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
