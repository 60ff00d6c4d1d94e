/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who was sampled: processes and their threads, as they were at the time. A process that runs
 * another program, changes its owner or its cgroup gets a new entry, so what was recorded keeps the
 * name and the owner it had. Threads are counted references (held by rows); an entry without any is
 * freed. No mappings are kept.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_PROCESS_TABLE_H
#define FLAME_DAEMON_CORE_PROCESSES_PROCESS_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"

#define PROCESS_NONE       UINT32_MAX
#define PROCESS_NAME_BYTES 48 /* RECORD_NAME_BYTES bytes made UTF-8, terminated */

struct process {
	uint64_t start_time_ns; /* since boot; with pid the identity */
	uint64_t cgroup_id;
	uint32_t pid;
	uint32_t parent_pid;
	uint32_t owner_uid; /* RECORD_NO_OWNER: only for the privileged */
	uint32_t owner_gid;
	uint32_t target;     /* number of the target that followed it here, 0: none */
	uint32_t jit_module; /* number of the module of its bare pcs, MODULE_NONE: none yet */
	uint32_t references; /* from threads */
	uint32_t membership; /* generation of the targets that "targets" was made for */
	uint32_t target_count;
	uint32_t *targets; /* numbers of all targets that select this process */
	char name[PROCESS_NAME_BYTES];
};

struct process_thread {
	uint32_t process;
	uint32_t tid;
	uint32_t references; /* from rows */
	char name[PROCESS_NAME_BYTES];
};

struct process_table;

/* Return an empty table. Owned (process_table_free). */
struct process_table *process_table_new(void);
void process_table_free(struct process_table *table);
DEFINE_CLEANUP(process_table_free, struct process_table)

/* Have on_gone called for each process that nothing refers to any more, just before it is freed. */
void process_table_watch(struct process_table *table,
			 void (*on_gone)(void *context, const struct process *process),
			 void *context);

/* Return the thread that sample was taken in, added when new, and count one reference to it. */
uint32_t process_table_add(struct process_table *table, const struct record_sample *sample);

/* Count one more reference to thread, or give one back. */
void process_table_keep(struct process_table *table, uint32_t thread);
void process_table_release(struct process_table *table, uint32_t thread);

/* Entries by number. Borrowed (until the next add or release). */
struct process *process_table_process(struct process_table *table, uint32_t process);
struct process_thread *process_table_thread(struct process_table *table, uint32_t thread);

/* Numbers in use are all below these. */
uint32_t process_table_process_limit(const struct process_table *table);
uint32_t process_table_thread_limit(const struct process_table *table);

/* Bytes that the entries in use stand for. */
size_t process_table_bytes(const struct process_table *table);

#endif
