/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that perf events tell of, as they are at the moment that the reading of the records
 * has come to: name, owner, cgroup and mappings of code. Who was there before is read from /proc
 * when it is met. A process is here from its fork, or from when it is met, until it ends.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_PROCESSES_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_PROCESSES_H

#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/core/unwinding/mapping_list.h"

#define PERF_PROCESSES_MAX      65536 /* all are forgotten, and met again, when there would be more */
#define PERF_PROCESS_THREAD_MAX 4096 /* whose names are remembered; the others' are read again */

/* An owner that may have changed its mind, or its rights, is asked again no sooner. */
#define PERF_OWNER_PERIOD_NS UINT64_C(1000000000)

enum perf_mappings_state {
	PERF_MAPPINGS_UNREAD, /* those made since it was met are there, not those from before */
	PERF_MAPPINGS_ASKED,  /* the others are on their way */
	PERF_MAPPINGS_KNOWN,
};

struct perf_thread {
	uint32_t tid;
	char name[RECORD_NAME_BYTES];
};

struct perf_process {
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t start_time_ns;  /* boot time */
	uint64_t cgroup_id;      /* 0: not known */
	uint64_t exec_ns;        /* when it started its program, boot time; 0: before it was met */
	uint64_t owner_ns;       /* when the owner was read, boot time; 0: not yet */
	uint64_t owner_since_ns; /* samples from then on are this owner's */
	uint32_t owner_uid;      /* as in struct record_sample */
	uint32_t owner_gid;
	enum perf_mappings_state state;
	int has_ended;
	int has_left_leader; /* its first thread has ended, others have not */
	char name[RECORD_NAME_BYTES];
	struct mapping_list mappings;
	struct perf_thread *threads; /* those that were sampled */
	size_t thread_count;
	size_t thread_capacity;
};

struct perf_processes;

/* Return an empty set. Owned (perf_processes_free). */
struct perf_processes *perf_processes_new(void);
void perf_processes_free(struct perf_processes *processes);
DEFINE_CLEANUP(perf_processes_free, struct perf_processes)

/* Find a process that is here, or NULL. Borrowed (until it is removed). */
struct perf_process *perf_processes_find(struct perf_processes *processes, uint32_t pid);

/* The same, or add it as /proc shows it; NULL when it is gone. */
struct perf_process *perf_processes_meet(struct perf_processes *processes, uint32_t pid);

/* Add a process of which nothing is known but the pid, in the place of one that had it. */
struct perf_process *perf_processes_add(struct perf_processes *processes, uint32_t pid);

/* Add the child of a fork, as like its parent as it is. Borrowed, as above. */
struct perf_process *perf_processes_fork(struct perf_processes *processes,
					 const struct perf_process *parent, uint32_t pid,
					 uint64_t time_ns);

/* Forget one of them. */
void perf_processes_remove(struct perf_processes *processes, uint32_t pid);

/* It has ended, and is removed at the second sweep from now: its last samples may come later. */
void perf_processes_end(struct perf_processes *processes, uint32_t pid);
void perf_processes_sweep(struct perf_processes *processes);

/* Forget all of them. */
void perf_processes_clear(struct perf_processes *processes);

/* It runs another program from now on. */
void perf_process_exec(struct perf_process *process, uint64_t time_ns);

/* Make length bytes of text its name; of the process too, when the thread is its first. */
void perf_process_rename(struct perf_process *process, uint32_t tid, const char *text,
			 size_t length);

/* The name of a thread, RECORD_NAME_BYTES bytes. Borrowed (until the next call). */
const char *perf_process_thread_name(struct perf_process *process, uint32_t tid);

/* Read its owner, unless that was done not long ago. */
void perf_process_read_owner(struct perf_process *process, uint64_t now_ns);

/* A thread has ended; non-zero when it was the last one. */
int perf_process_exit(struct perf_process *process, uint32_t tid);

#endif
