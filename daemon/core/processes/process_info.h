/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says of a living process, read when one is attached and when its cgroup is first seen:
 * identity, parent, kind (its owner: access.h). Samples bring the same facts by themselves, so
 * nothing here is needed to keep the history true.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_PROCESS_INFO_H
#define FLAME_DAEMON_CORE_PROCESSES_PROCESS_INFO_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define PROCESS_INFO_NAME_BYTES 48
#define PROCESS_INFO_PATH_BYTES 4096

struct process_info {
	uint64_t start_time_ns; /* boot time, in ticks of START_TIME_TICK_NS */
	uint32_t pid;
	uint32_t parent_pid;
	uint64_t cpu_ns; /* user and system time of all threads; exact to a tick */
	uint64_t rss_bytes;
	int is_kernel_thread;
	int is_zombie;
	char name[PROCESS_INFO_NAME_BYTES]; /* printable UTF-8 */
};

/* Read all of it. Errors: -ESRCH when there is no such process (a thread is none). */
must_check int process_info_read(uint32_t pid, struct process_info *info);

/* Read the path of the process in the unified cgroup hierarchy. Errors: -ESRCH, -ENODATA. */
must_check int process_info_read_cgroup(uint32_t pid, char *path, size_t size);

/*
 * Read the CPU time of the main thread, ns: exact, unlike what the other files tell. Errors: -ESRCH,
 * -ENOENT where the kernel does not account for it.
 */
must_check int process_info_read_cpu_ns(uint32_t pid, uint64_t *cpu_ns);

/* Read the pid that the process has in its own pid namespace. Errors: -ESRCH, -EBADMSG. */
must_check int process_info_read_namespaced_pid(uint32_t pid, uint32_t *namespaced_pid);

/*
 * Read the name of a thread as the kernel has it into name (RECORD_NAME_BYTES bytes, filled up with
 * zeros), which is left alone when there is no such thread.
 */
void process_info_read_thread_name(uint32_t pid, uint32_t tid, char *name);

/*
 * Call visit for every process of the system that is there throughout, in no order. Errors: as
 * opendir(3).
 */
must_check int process_info_each(void (*visit)(void *context, const struct process_info *info),
				 void *context);

/*
 * Write the pids of the children of pid into pids, capacity at most; returns how many there are.
 * Errors: -ESRCH, -ENOENT where the kernel does not tell.
 */
must_check int process_info_children(uint32_t pid, uint32_t *pids, uint32_t capacity);

/* The text of /proc/PID/stat. Errors: -EBADMSG. */
must_check int process_info_parse_stat(const char *text, size_t length, struct process_info *info);

/* The text of /proc/PID/cgroup: the path behind "0::". Errors: -ENODATA. */
must_check int process_info_parse_cgroup(const char *text, size_t length, char *path, size_t size);

#endif
