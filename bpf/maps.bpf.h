/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The maps that all kernel programs share, and the counters. Each object file defines them weakly;
 * linking the objects makes them one. What they hold for user space is described in record.h.
 */
#ifndef FLAME_BPF_MAPS_BPF_H
#define FLAME_BPF_MAPS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/record.h"
#include "bpf/unwind_table.h"
#include "common/frame.h"

#define MAX_PROCESSES    65536
#define MAX_NAMES        8192
#define MAX_CGROUPS      1024
#define MAX_MODULES      32768
#define MAX_SAVED_STACKS 512       /* processes that are between two programs or end, at one time */
#define FALLBACK_RECORDS (1 << 20) /* bytes; the broker sizes the ring buffer by the CPUs */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, FALLBACK_RECORDS);
} records SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sampler_settings);
} settings SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KERNEL_COUNTER_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_PROCESSES);
	__type(key, __u32);
	__type(value, struct profiled);
} processes SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_NAMES);
	__type(key, char[RECORD_NAME_BYTES]);
	__type(value, struct profiled);
} names SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_CGROUPS);
	__type(key, __u64);
	__type(value, struct profiled);
} cgroups SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_MODULES);
	__type(key, struct module_key);
	__type(value, __u32);
} modules SEC(".maps") __weak;

/* What all kernel programs have in common, whichever object they were loaded from. */
struct commons {
	__u64 pid_namespace; /* struct pid_namespace that flamed lives in; filled in by on_pid_test */
	__u32 pid_level;     /* how deep that lies */
	__u32 module_count; /* numbers given to modules, from MODULE_FIRST_FILE on */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct commons);
} commons SEC(".maps") __weak;

/* Numbers of modules that the core has forgotten. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, MAX_MODULES);
	__type(value, __u32);
} free_modules SEC(".maps") __weak;

/* The tables of the walk: see unwind_table.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MODULE_LAST_FILE + 1);
	__type(key, __u32);
	__type(value, struct unwind_module);
} unwind_modules SEC(".maps") __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_SLICES);
	__type(key, __u32);
	__type(value, struct unwind_slice);
} unwind_slices SEC(".maps") __weak;

struct unwind_shard {
	union {
		__u16 words[UNWIND_SHARD_WORDS];
		struct unwind_rule rules[UNWIND_SHARD_CELLS];
	};
};

struct unwind_shard_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_shard));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, UNWIND_MAX_SHARDS);
	__type(key, __u32);
	__array(values, struct unwind_shard_map);
} unwind_shards SEC(".maps") __weak;

/* A stack that was walked while the process's memory was still there: at exec, at exit. */
struct saved_stack {
	__u64 start_time_ns; /* of the thread */
	__u32 owner_uid;
	__u32 owner_gid;
	__u16 walk_end;
	__u16 user_count;
	__u32 reserved;
	__u64 frames[RECORD_USER_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAX_SAVED_STACKS);
	__type(key, __u32); /* tid */
	__type(value, struct saved_stack);
} saved_stacks SEC(".maps") __weak;

/* Ended processes and their numbers in flamed's pid namespace. One entry where that is the outermost. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32); /* the kernel's own number */
	__type(value, __u32);
} ended_pids SEC(".maps") __weak;

/* One entry unless the broker found that mapping_in_tables is needed. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mapping_table);
} mapping_tables SEC(".maps") __weak;

static inline void count_more(__u32 counter, __u64 more)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	/* Per CPU, but an interrupt may come in between. */
	if (value)
		__sync_fetch_and_add(value, more);
}

static inline void count(__u32 counter)
{
	count_more(counter, 1);
}

static inline const struct sampler_settings *settings_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static inline struct commons *commons_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&commons, &zero);
}

#endif
