/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The working memory of a program: the sample it builds and the state of its walk, which would not
 * fit on the stack of 512 bytes. One a CPU and a kind of program, because an interrupt may take a
 * sample while a hook is at work. Global functions are given the slot number and find it again by
 * themselves: they are verified one by one, and could not be told that a pointer is good.
 */
#ifndef FLAME_BPF_SCRATCH_BPF_H
#define FLAME_BPF_SCRATCH_BPF_H

#include "bpf/heap_record.h"
#include "bpf/maps.bpf.h"
#include "bpf/unwind_step.h"

#define SCRATCH_FRAMES    256 /* a power of two over RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES */
#define SCRATCH_PROCESSES 8   /* whose mappings are kept from walk to walk; a power of two */
#define SCRATCH_MAPPINGS  8   /* of each; a power of two */
#define SCRATCH_RULES     128 /* kept from walk to walk, a power of two */
#define SCRATCH_STACK     128 /* words: reading these takes hardly longer than reading two */
#define SCRATCH_PATH      (2 * RECORD_PATH_BYTES)
#define SCRATCH_WINDOW    32 /* words of a kernel structure, in which all fields of interest lie */
#define OUTSIDE_WORDS     2048 /* of another task's stack */
#define NO_ADDRESS        (1ULL << 63)

enum scratch_slot {
	SCRATCH_SAMPLE,
	SCRATCH_EXEC,
	SCRATCH_EXIT,
	SCRATCH_ASKED,
	SCRATCH_SWITCH,
	SCRATCH_LOOK,
	SCRATCH_FAULT,
	SCRATCH_WAKER,
	SCRATCH_HEAP,
	SCRATCH_HEAP_SECOND, /* of a program that was preempted */
	SCRATCH_COUNT
};

/* The way from a file's name up to the root. */
struct path_walk {
	__u64 dentry;
	__u64 mount;             /* struct mount */
	__u32 at;                /* the path so far is path[at] to path[RECORD_PATH_BYTES] */
	__u32 root;              /* where the part begins that the process sees */
	char path[SCRATCH_PATH]; /* the second half only makes every read of a name fit */
};

/* A rule that a walk has looked up lately, in rows that were put into force then. */
struct known_rule {
	__u32 load;   /* struct unwind_module.load; 0: none is known */
	__u32 offset; /* in the file */
	struct unwind_rule rule;
};

/* Of which process the mappings are, and as of when: while this is the same, so are they. */
struct mapping_state {
	__u64 mm; /* 0: of none */
	__u64 start_time_ns;
	__u64 programs; /* that the process has executed: memory is used again for another mm */
	__u32 changes;  /* of its mappings */
	__u32 period;   /* numbers of modules are looked up again in the next one */
};

/* Mappings of one process that were found. */
struct mapping_set {
	struct mapping_state of;
	__u32 count; /* ever added; the last SCRATCH_MAPPINGS are there */
	__u32 last;  /* that was found */
	struct mapping mappings[SCRATCH_MAPPINGS];
};

struct scratch {
	struct record_heap heap; /* directly before its sample */
	struct record_sample sample;
	__u64 frames[SCRATCH_FRAMES]; /* of the sample, directly behind it */

	__u64 task; /* one of the process's */
	__u64 mm;
	__u64 start_time_ns; /* of the process */
	__u32 pid;

	struct mapping_set sets[SCRATCH_PROCESSES];
	__u32 set;            /* of the process that is walked */
	struct mapping found; /* by the look-up in the mapping tree */

	struct unwind_frame frame; /* that the walk has come to */
	__u64 saved[SAVED_COUNT];  /* the registers of user mode, as the kernel keeps them */
	__u32 depth;               /* frames so far */
	__u32 is_outside;          /* another task's stack: in the copy, from copied_from on */
	__u32 refills;             /* of the copy so far */
	__u64 copied_from;
	__u64 missed;                           /* address that the copy does not hold, 0: none */
	__u32 found_module;                     /* of the last one */
	struct known_rule known[SCRATCH_RULES]; /* by a hash of their place; outlive the walk */
	__u64 stack_from;           /* where stack is in the process, NO_ADDRESS: nowhere */
	__u64 stack[SCRATCH_STACK]; /* what was read of the current task's last */

	struct module_key key;
	__u64 file;
	__u64 node[32];               /* of the mapping tree */
	__u64 window[SCRATCH_WINDOW]; /* the first bytes of a mapping, or of its inode */
	__u64 entry;                  /* reference to the node to read next */
	__u64 range_end;              /* of the range that was found there, mapped or not */
	__u64 next_mapping;           /* while all are listed */
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

/* Of the process that is walked. */
static inline struct mapping_set *mapping_set_get(struct scratch *scratch)
{
	return &scratch->sets[scratch->set & (SCRATCH_PROCESSES - 1)];
}

/* Of the stack of a thread that is looked at from outside; one look at a time. */
struct outside_copy {
	__u64 words[OUTSIDE_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct outside_copy);
} outside_copies SEC(".maps") __weak;

static inline struct outside_copy *outside_copy_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&outside_copies, &zero);
}

/* Read words out of the copy; what it does not hold is noted in missed. */
static __always_inline int outside_copy_read(struct scratch *scratch, __u64 address, __u64 *values,
					     __u32 count)
{
	__u64 offset = address - scratch->copied_from;
	__u32 word = (__u32)(offset / sizeof(__u64)) & (OUTSIDE_WORDS - 1);
	const struct outside_copy *copy = outside_copy_get();

	if (!copy || offset > (OUTSIDE_WORDS - 2) * sizeof(__u64)) {
		scratch->missed = address;
		return -1;
	}
	values[0] = copy->words[word];
	if (count > 1)
		values[1] = copy->words[(word + 1) & (OUTSIDE_WORDS - 1)];
	return 0;
}

/* Read words of the current task; the ones behind them come along, for the frames that follow. */
static __always_inline int stack_read(struct scratch *scratch, __u64 address, __u64 *values,
				      __u32 count)
{
	__u64 distance = address - scratch->stack_from;
	__u32 word;

	if (distance > (SCRATCH_STACK - 2) * sizeof(__u64) || distance % sizeof(__u64)) {
		distance = 0;
		scratch->stack_from = address;
		if (bpf_probe_read_user(scratch->stack, sizeof(scratch->stack),
					(const void *)address)) {
			/* The next page may be missing. */
			scratch->stack_from = NO_ADDRESS;
			return bpf_probe_read_user(values, count * sizeof(__u64),
						   (const void *)address) != 0;
		}
	}
	word = (__u32)distance / sizeof(__u64);
	values[0] = scratch->stack[word & (SCRATCH_STACK - 1)];
	if (count > 1)
		values[1] = scratch->stack[(word + 1) & (SCRATCH_STACK - 1)];
	return 0;
}

/* As unwind_step.h says. */
static __always_inline int unwind_read(void *memory, __u64 address, __u64 *values, __u32 count)
{
	struct scratch *scratch = memory;

	/* Seldom: the process is the current one. */
	return scratch->is_outside ? outside_copy_read(scratch, address, values, count)
				   : stack_read(scratch, address, values, count);
}

#endif
