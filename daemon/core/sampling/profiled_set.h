/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is profiled, where no kernel program keeps the sets that bpf/record.h describes: the same
 * settings, processes, names and cgroups, and the same verdict on a process.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PROFILED_SET_H
#define FLAME_DAEMON_CORE_SAMPLING_PROFILED_SET_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"

#define PROFILED_MAX_PROCESSES 65536
#define PROFILED_MAX_NAMES     8192 /* all are forgotten when there would be more */
#define PROFILED_MAX_CGROUPS   1024
#define PROFILED_KEEP_ALL      UINT32_MAX

struct profiled_set;

/* Whom a verdict is about. */
struct profiled_subject {
	uint32_t pid;
	int is_kernel_thread;
	uint64_t start_time_ns;       /* of the process */
	char name[RECORD_NAME_BYTES]; /* of its leader */
	const uint64_t *cgroups;      /* that it is in, in any order. Borrowed. */
	size_t cgroup_count;
};

struct profiled_verdict {
	uint32_t keep; /* share of the events, of PROFILED_KEEP_ALL; 0: not profiled */
	uint32_t target;
	int is_pending; /* nothing is known of the name yet */
};

/* Return an empty set. Owned (profiled_set_free). */
struct profiled_set *profiled_set_new(void);
void profiled_set_free(struct profiled_set *set);
DEFINE_CLEANUP(profiled_set_free, struct profiled_set)

/* The settings in force, to be changed at any time. */
struct sampler_settings *profiled_set_settings(struct profiled_set *set);

/* Non-zero when others than the processes of the set may be profiled. */
int profiled_set_is_open(const struct profiled_set *set);

/* Find the entry of a process. Errors: -ENOENT. */
must_check int profiled_set_find_process(const struct profiled_set *set, uint32_t pid,
					 struct profiled *profiled);
/* Add an entry, or change the one that is there. Errors: -E2BIG. */
must_check int profiled_set_add_process(struct profiled_set *set, uint32_t pid,
					const struct profiled *profiled);
/* Forget it. */
void profiled_set_remove_process(struct profiled_set *set, uint32_t pid);

/* Find the entry of a process that is profiled by its pid; non-zero when it is. */
int profiled_set_follows(const struct profiled_set *set, uint32_t pid, struct profiled *profiled);

/* Call visit for every process; it may change or remove the one that it is called for. */
void profiled_set_each_process(const struct profiled_set *set,
			       void (*visit)(void *context, uint32_t pid,
					     const struct profiled *profiled),
			       void *context);

/* Verdicts on names (RECORD_NAME_BYTES bytes). */
void profiled_set_add_name(struct profiled_set *set, const char *name,
			   const struct profiled *profiled);
void profiled_set_clear_names(struct profiled_set *set);

/* Cgroups. Errors: -E2BIG when the set is full. */
must_check int profiled_set_add_cgroup(struct profiled_set *set, uint64_t id,
				       const struct profiled *profiled);
void profiled_set_remove_cgroup(struct profiled_set *set, uint64_t id);

/* Judge as selection_of() in bpf/identity.bpf.h does. */
struct profiled_verdict profiled_set_judge(const struct profiled_set *set,
					   const struct profiled_subject *subject);

#endif
