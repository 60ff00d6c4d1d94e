/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_processes.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/hashmap.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/processes/process_info.h"

/* Links of /proc/PID/task: two of every folder, and one for each thread. */
#define TASK_LINKS_OF_ONE 3

/* Pids. */
struct endings {
	uint32_t *pids;
	size_t count;
	size_t capacity;
};

struct perf_processes {
	struct perf_process **list;
	uint32_t count;
	size_t capacity;
	struct hashmap index; /* by pid, into the list */
	struct endings ended; /* since the last sweep */
	struct endings ended_before;
};

struct perf_processes *perf_processes_new(void)
{
	return memory_new(sizeof(struct perf_processes));
}

static void free_process(struct perf_process *process)
{
	mapping_list_fini(&process->mappings);
	free(process->threads);
	free(process);
}

void perf_processes_clear(struct perf_processes *processes)
{
	while (processes->count)
		free_process(processes->list[--processes->count]);
	hashmap_clear(&processes->index);
}

void perf_processes_free(struct perf_processes *processes)
{
	if (!processes)
		return;
	perf_processes_clear(processes);
	hashmap_fini(&processes->index);
	free(processes->list);
	free(processes->ended.pids);
	free(processes->ended_before.pids);
	free(processes);
}

/* ---- Which there are ---- */

static uint32_t find(const struct perf_processes *processes, uint32_t pid)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&processes->index, hash_u64(pid), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&processes->index, &cursor))
		if (processes->list[i]->pid == pid)
			return i;
	return HASHMAP_NONE;
}

struct perf_process *perf_processes_find(struct perf_processes *processes, uint32_t pid)
{
	uint32_t i = find(processes, pid);

	return i == HASHMAP_NONE ? NULL : processes->list[i];
}

void perf_processes_remove(struct perf_processes *processes, uint32_t pid)
{
	uint32_t i = find(processes, pid), last;

	if (i == HASHMAP_NONE)
		return;
	free_process(processes->list[i]);
	hashmap_remove(&processes->index, hash_u64(pid), i);
	last = --processes->count;
	if (i == last)
		return;
	hashmap_remove(&processes->index, hash_u64(processes->list[last]->pid), last);
	hashmap_add(&processes->index, hash_u64(processes->list[last]->pid), i);
	processes->list[i] = processes->list[last];
}

void perf_processes_end(struct perf_processes *processes, uint32_t pid)
{
	struct perf_process *process = perf_processes_find(processes, pid);
	struct endings *ended = &processes->ended;

	if (!process)
		return;
	process->has_ended = 1;
	ended->pids =
		memory_grow(ended->pids, &ended->capacity, ended->count + 1, sizeof(*ended->pids));
	ended->pids[ended->count++] = pid;
}

void perf_processes_sweep(struct perf_processes *processes)
{
	struct endings before = processes->ended_before;

	for (size_t i = 0; i < before.count; i++) {
		const struct perf_process *process = perf_processes_find(processes, before.pids[i]);

		/* Another one may have its pid by now. */
		if (process && process->has_ended)
			perf_processes_remove(processes, before.pids[i]);
	}
	before.count = 0;
	processes->ended_before = processes->ended;
	processes->ended = before;
}

struct perf_process *perf_processes_add(struct perf_processes *processes, uint32_t pid)
{
	struct perf_process *process = memory_new(sizeof(*process));

	perf_processes_remove(processes, pid);
	if (processes->count == PERF_PROCESSES_MAX)
		perf_processes_clear(processes);
	process->pid = pid;
	process->owner_uid = process->owner_gid = RECORD_NO_OWNER;
	processes->list = memory_grow(processes->list, &processes->capacity, processes->count + 1,
				      sizeof(struct perf_process *));
	processes->list[processes->count] = process;
	hashmap_add(&processes->index, hash_u64(pid), processes->count++);
	return process;
}

struct perf_process *perf_processes_meet(struct perf_processes *processes, uint32_t pid)
{
	struct perf_process *process = perf_processes_find(processes, pid);
	struct process_info info;

	if (process)
		return process;
	if (process_info_read(pid, &info) || info.is_zombie)
		return NULL;
	process = perf_processes_add(processes, pid);
	process->parent_pid = info.parent_pid;
	process->start_time_ns = info.start_time_ns;
	process_info_read_thread_name(pid, pid, process->name);
	return process;
}

struct perf_process *perf_processes_fork(struct perf_processes *processes,
					 const struct perf_process *parent, uint32_t pid,
					 uint64_t time_ns)
{
	struct perf_process copy = *parent;
	struct perf_process *child;

	/* The parent may move, or even go, when all of them do. */
	copy.mappings = (struct mapping_list){0};
	mapping_list_copy(&copy.mappings, &parent->mappings);
	child = perf_processes_add(processes, pid);
	*child = copy;
	child->pid = pid;
	child->parent_pid = copy.pid;
	child->start_time_ns = time_ns;
	child->has_ended = child->has_left_leader = 0;
	/* What was asked for comes to the parent. */
	if (child->state == PERF_MAPPINGS_ASKED)
		child->state = PERF_MAPPINGS_UNREAD;
	child->threads = NULL;
	child->thread_count = child->thread_capacity = 0;
	return child;
}

/* ---- What happens to them ---- */

void perf_process_exec(struct perf_process *process, uint64_t time_ns)
{
	mapping_list_clear(&process->mappings);
	process->state = PERF_MAPPINGS_KNOWN;
	process->exec_ns = time_ns;
	process->owner_ns = 0;
	process->owner_since_ns = time_ns;
	process->owner_uid = process->owner_gid = RECORD_NO_OWNER;
	process->thread_count = 0;
	process->has_left_leader = 0;
}

static struct perf_thread *find_thread(const struct perf_process *process, uint32_t tid)
{
	for (size_t i = 0; i < process->thread_count; i++)
		if (process->threads[i].tid == tid)
			return &process->threads[i];
	return NULL;
}

static void copy_name(char *name, const char *text, size_t length)
{
	memset(name, 0, RECORD_NAME_BYTES);
	memcpy(name, text, length < RECORD_NAME_BYTES ? length : RECORD_NAME_BYTES - 1);
}

void perf_process_rename(struct perf_process *process, uint32_t tid, const char *text,
			 size_t length)
{
	struct perf_thread *thread = find_thread(process, tid);

	if (thread)
		copy_name(thread->name, text, length);
	if (tid == process->pid)
		copy_name(process->name, text, length);
}

const char *perf_process_thread_name(struct perf_process *process, uint32_t tid)
{
	struct perf_thread *thread = find_thread(process, tid);

	if (tid == process->pid)
		return process->name;
	if (thread)
		return thread->name;
	if (process->thread_count == PERF_PROCESS_THREAD_MAX)
		process->thread_count = 0;
	process->threads = memory_grow(process->threads, &process->thread_capacity,
				       process->thread_count + 1, sizeof(*process->threads));
	thread = &process->threads[process->thread_count++];
	thread->tid = tid;
	memcpy(thread->name, process->name, sizeof(thread->name));
	process_info_read_thread_name(process->pid, tid, thread->name);
	return thread->name;
}

/* The one user and group of the process, if nobody else could be meant. */
static int is_of_one_user(const struct access_process *owner)
{
	for (int i = 1; i < 4; i++)
		if (owner->uids[i] != owner->uids[0] || owner->gids[i] != owner->gids[0])
			return 0;
	return !owner->permitted_capabilities && owner->proc_owner == owner->uids[0];
}

void perf_process_read_owner(struct perf_process *process, uint64_t now_ns)
{
	uint32_t uid = RECORD_NO_OWNER, gid = RECORD_NO_OWNER;
	struct access_process owner;

	if (process->owner_ns && now_ns < process->owner_ns + PERF_OWNER_PERIOD_NS)
		return;
	if (!access_process_read((pid_t)process->pid, &owner) && is_of_one_user(&owner)) {
		uid = owner.uids[0];
		gid = owner.gids[0];
	}
	/* What it was before it changed stays what it was. */
	if (process->owner_ns && (uid != process->owner_uid || gid != process->owner_gid))
		process->owner_since_ns = now_ns;
	process->owner_ns = now_ns;
	process->owner_uid = uid;
	process->owner_gid = gid;
}

static void remove_thread(struct perf_process *process, uint32_t tid)
{
	struct perf_thread *thread = find_thread(process, tid);

	if (thread)
		*thread = process->threads[--process->thread_count];
}

/* The first thread stays as a zombie until the others have ended. */
int perf_process_exit(struct perf_process *process, uint32_t tid)
{
	char path[64];
	struct stat status;

	remove_thread(process, tid);
	if (tid != process->pid && !process->has_left_leader)
		return 0;
	process->has_left_leader = 1;
	snprintf(path, sizeof(path), "/proc/%u/task", process->pid);
	return stat(path, &status) || status.st_nlink <= TASK_LINKS_OF_ONE;
}
