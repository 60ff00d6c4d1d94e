/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/process_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/hashmap.h"
#include "common/memory.h"
#include "common/utf8.h"

/* Free entries are chained through the pid or tid. */
struct process_table {
	struct process *processes;
	size_t process_capacity;
	uint32_t process_limit;
	uint32_t process_count;
	uint32_t free_process;
	struct hashmap process_index;

	struct process_thread *threads;
	size_t thread_capacity;
	uint32_t thread_limit;
	uint32_t thread_count;
	uint32_t free_thread;
	struct hashmap thread_index;

	void (*on_gone)(void *context, const struct process *process);
	void *context;
};

struct process_table *process_table_new(void)
{
	struct process_table *table = memory_new(sizeof(*table));

	table->free_process = PROCESS_NONE;
	table->free_thread = PROCESS_NONE;
	return table;
}

void process_table_free(struct process_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->process_limit; i++)
		free(table->processes[i].targets);
	free(table->processes);
	free(table->threads);
	hashmap_fini(&table->process_index);
	hashmap_fini(&table->thread_index);
	free(table);
}

void process_table_watch(struct process_table *table,
			 void (*on_gone)(void *context, const struct process *process),
			 void *context)
{
	table->on_gone = on_gone;
	table->context = context;
}

static uint32_t hash_process(uint32_t pid, uint64_t start_time_ns)
{
	return hash_u64(start_time_ns ^ (uint64_t)pid << 40);
}

/* Names are compared as they came; the stored copy is printable UTF-8 and terminated. */
static void copy_name(char *copy, const char *name)
{
	utf8_clean(copy, PROCESS_NAME_BYTES, name, strnlen(name, RECORD_NAME_BYTES));
}

static int is_process(const struct process *process, const struct record_sample *sample,
		      const char *name)
{
	return process->pid == sample->pid && process->start_time_ns == sample->start_time_ns &&
	       process->owner_uid == sample->owner_uid && process->owner_gid == sample->owner_gid &&
	       process->cgroup_id == sample->cgroup_id && strcmp(process->name, name) == 0;
}

static uint32_t add_process(struct process_table *table, const struct record_sample *sample,
			    const char *name)
{
	uint32_t hash = hash_process(sample->pid, sample->start_time_ns);
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->process_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->process_index, &cursor))
		if (is_process(&table->processes[i], sample, name))
			return i;

	uint32_t id = table->free_process;
	if (id != PROCESS_NONE) {
		table->free_process = table->processes[id].pid;
	} else {
		id = table->process_limit++;
		table->processes = memory_grow(table->processes, &table->process_capacity,
					       table->process_limit, sizeof(*table->processes));
	}
	table->processes[id] = (struct process){
		.start_time_ns = sample->start_time_ns,
		.cgroup_id = sample->cgroup_id,
		.pid = sample->pid,
		.owner_uid = sample->owner_uid,
		.owner_gid = sample->owner_gid,
	};
	memcpy(table->processes[id].name, name, PROCESS_NAME_BYTES);
	hashmap_add(&table->process_index, hash, id);
	table->process_count++;
	return id;
}

static void release_process(struct process_table *table, uint32_t id)
{
	struct process *process = &table->processes[id];

	if (--process->references > 0)
		return;
	if (table->on_gone)
		table->on_gone(table->context, process);
	hashmap_remove(&table->process_index, hash_process(process->pid, process->start_time_ns),
		       id);
	free(process->targets);
	*process = (struct process){.pid = table->free_process};
	table->free_process = id;
	table->process_count--;
}

static uint32_t hash_thread(uint32_t process, uint32_t tid)
{
	return hash_u64((uint64_t)process << 32 | tid);
}

uint32_t process_table_add(struct process_table *table, const struct record_sample *sample)
{
	char process_name[PROCESS_NAME_BYTES];
	char thread_name[PROCESS_NAME_BYTES];
	struct hashmap_cursor cursor;

	copy_name(process_name, sample->process_name);
	copy_name(thread_name, sample->thread_name);
	uint32_t process = add_process(table, sample, process_name);
	/* These two may change without making it another process. */
	table->processes[process].parent_pid = sample->parent_pid;
	if (table->processes[process].target != sample->target) {
		table->processes[process].target = sample->target;
		table->processes[process].membership = 0;
	}

	uint32_t hash = hash_thread(process, sample->tid);
	for (uint32_t i = hashmap_first(&table->thread_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->thread_index, &cursor)) {
		struct process_thread *thread = &table->threads[i];

		if (thread->process == process && thread->tid == sample->tid &&
		    strcmp(thread->name, thread_name) == 0) {
			thread->references++;
			return i;
		}
	}
	uint32_t id = table->free_thread;
	if (id != PROCESS_NONE) {
		table->free_thread = table->threads[id].tid;
	} else {
		id = table->thread_limit++;
		table->threads = memory_grow(table->threads, &table->thread_capacity,
					     table->thread_limit, sizeof(*table->threads));
	}
	table->threads[id] =
		(struct process_thread){.process = process, .tid = sample->tid, .references = 1};
	memcpy(table->threads[id].name, thread_name, sizeof(thread_name));
	table->processes[process].references++;
	hashmap_add(&table->thread_index, hash, id);
	table->thread_count++;
	return id;
}

void process_table_keep(struct process_table *table, uint32_t thread)
{
	table->threads[thread].references++;
}

void process_table_release(struct process_table *table, uint32_t id)
{
	struct process_thread *thread = &table->threads[id];

	if (--thread->references > 0)
		return;
	hashmap_remove(&table->thread_index, hash_thread(thread->process, thread->tid), id);
	release_process(table, thread->process);
	*thread = (struct process_thread){.tid = table->free_thread};
	table->free_thread = id;
	table->thread_count--;
}

struct process *process_table_process(struct process_table *table, uint32_t process)
{
	return &table->processes[process];
}

struct process_thread *process_table_thread(struct process_table *table, uint32_t thread)
{
	return &table->threads[thread];
}

uint32_t process_table_process_limit(const struct process_table *table)
{
	return table->process_limit;
}

uint32_t process_table_thread_limit(const struct process_table *table)
{
	return table->thread_limit;
}

size_t process_table_bytes(const struct process_table *table)
{
	return table->process_count * (sizeof(struct process) + 2 * sizeof(struct hashmap_slot)) +
	       table->thread_count *
		       (sizeof(struct process_thread) + 2 * sizeof(struct hashmap_slot));
}
