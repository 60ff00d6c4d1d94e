/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The working memory of a program: the sample it builds and the state of its walk, which would not
 * fit on the stack of 512 bytes. One a CPU and a kind of program, because an interrupt may take a
 * sample while a hook is at work. Global functions are given the slot number and find it again by
 * themselves: they are verified one by one, and could not be told that a pointer is good.
 */
#ifndef FLAME_BPF_SCRATCH_BPF_H
#define FLAME_BPF_SCRATCH_BPF_H

#include "bpf/maps.bpf.h"
#include "bpf/unwind_step.h"

#define SCRATCH_FRAMES   256 /* a power of two over RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES */
#define SCRATCH_MAPPINGS 8   /* kept while one stack is walked */
#define SCRATCH_PATH     (2 * RECORD_PATH_BYTES)

enum scratch_slot { SCRATCH_SAMPLE, SCRATCH_EXEC, SCRATCH_EXIT, SCRATCH_ASKED, SCRATCH_COUNT };

/* The way from a file's name up to the root. */
struct path_walk {
	__u64 dentry;
	__u64 mount; /* struct mount */
	__u32 at;    /* the path so far is path[at] to path[RECORD_PATH_BYTES] */
	__u32 reserved;
	char path[SCRATCH_PATH]; /* the second half only makes every read of a name fit */
};

struct scratch {
	struct record_sample sample;
	__u64 frames[SCRATCH_FRAMES]; /* of the sample, directly behind it */

	__u64 mm;
	__u64 start_time_ns; /* of the process */
	__u32 pid;

	__u32 mapping_count; /* ever added; the last SCRATCH_MAPPINGS are there */
	struct mapping mappings[SCRATCH_MAPPINGS];
	struct mapping found; /* by the look-up in the mapping tree */

	struct unwind_frame frame; /* that the walk has come to */
	__u64 saved[SAVED_COUNT];  /* the registers of user mode, as the kernel keeps them */
	__u32 depth;               /* frames so far */
	__u32 found_module;        /* of the last one */

	struct module_key key;
	__u64 file;
	__u64 node[32];     /* of the mapping tree */
	__u64 entry;        /* reference to the node to read next */
	__u64 range_end;    /* of the range that was found there, mapped or not */
	__u64 next_mapping; /* while all are listed */
	struct path_walk path;
	struct saved_stack kept; /* on its way into "saved_stacks" */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCH_COUNT);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps") __weak;

static inline struct scratch *scratch_get(__u32 slot)
{
	return bpf_map_lookup_elem(&scratches, &slot);
}

#endif
