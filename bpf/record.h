/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What crosses between the kernel programs and the core: the records in the ring buffer, the
 * counters, and the maps that say who is profiled. Included by both sides; fixed-width types only.
 *
 * Ring buffer "records": variable-size records, each begins with struct record_header. Modules are
 * sent with a wake-up, all others without. Arrays of frames are leaf first.
 */
#ifndef FLAME_BPF_RECORD_H
#define FLAME_BPF_RECORD_H

#include <linux/types.h>

#define RECORD_USER_FRAMES   128 /* most user frames of a sample */
#define RECORD_KERNEL_FRAMES 127 /* what bpf_get_stack() gives by default */
#define RECORD_NAME_BYTES    16  /* TASK_COMM_LEN */
#define RECORD_PATH_BYTES    512
/* /proc/PID/stat tells start times in ticks: compare them divided by this. */
#define START_TIME_TICK_NS 10000000ULL

#define RECORD_NO_OWNER 0xffffffffU

enum record_type {
	RECORD_SAMPLE = 1,
	RECORD_MODULE, /* a file that samples will refer to by its number */
	RECORD_FORK,   /* a followed process made a child */
	RECORD_EXEC,   /* a profiled process runs another program */
	RECORD_EXIT,   /* the last thread of a profiled process is gone */
	RECORD_STACK,  /* a piece of stack, before the sample it belongs to: stack_copy.h */
	RECORD_SUM,    /* a stack that sums will refer to by its id: see sums.h */
	RECORD_LOOK,   /* the last look at a thread, which is about to end: see sums.h */
	RECORD_WAKER,  /* who ended a sleep, under an id for the two together: see sums.h */
	RECORD_CHILD,  /* as RECORD_FORK, where children are not followed but inherit probes */
};

enum record_event {
	EVENT_CPU,
	EVENT_OFFCPU, /* blocked: waiting for something to happen */
	EVENT_HEAP,
	EVENT_FAULT,
	EVENT_RUNQUEUE, /* off the CPU too, and waiting for nothing but a CPU */
	/* What a thread used in all, by the kernel's own account; such rows have no stack. */
	EVENT_TOTAL_CPU,
	EVENT_TOTAL_OFFCPU,
	EVENT_TOTAL_RUNQUEUE,
	EVENT_WAKER, /* no rows: of sleeps it is wanted too who ended them */
	EVENT_COUNT
};

struct record_header {
	__u32 type; /* enum record_type */
	__u32 size; /* of the whole record, bytes */
};

/* How a walk of the user stack ended. */
enum walk_end {
	WALK_NO_USER,       /* a kernel thread: there is no user stack */
	WALK_ROOT,          /* whole: the outermost frame was reached */
	WALK_TRUNCATED,     /* RECORD_USER_FRAMES were not enough */
	WALK_NO_RULE,       /* no unwind rule covers a pc */
	WALK_NO_TABLE,      /* the rules of a module are not loaded (yet) */
	WALK_UNSUPPORTED,   /* a rule the walk cannot follow */
	WALK_UNREADABLE,    /* a stack page is not in memory */
	WALK_UNMAPPED,      /* a pc lies in no executable mapping */
	WALK_NO_MEMORY,     /* the process is exiting, its memory is gone */
	WALK_EXEC,          /* between two images */
	WALK_FRAME_POINTER, /* stepped by frame pointers, which do not say whether this is the root */
	WALK_END_COUNT
};

enum sample_flag {
	SAMPLE_PENDING = 1,    /* the core has to say whether this process is wanted: match names */
	SAMPLE_IN_KERNEL = 2,  /* interrupted in kernel mode */
	SAMPLE_USER_SAVED = 4, /* the user stack was walked earlier, at exec or exit */
	SAMPLE_STACK_COPIED = 8, /* a RECORD_STACK came before: the walk can be finished */
	SAMPLE_INTERRUPT = 16,   /* RECORD_WAKER: no thread did it, but an interrupt */
	SAMPLE_COUNTED = 32,     /* RECORD_WAKER: part of the sleep is counted already */
	SAMPLE_LAST = 64,        /* RECORD_LOOK: the thread ends */
};

struct record_sample {
	struct record_header header;
	__u64 time_ns; /* boot time */
	union {
		__u64 weight; /* what the sample stands for: ns, bytes */
		__u64 id;     /* RECORD_SUM: of the stack, key of the map "sums" */
	};
	__u64 start_time_ns; /* of the process (leader), boot time; with pid the identity */
	__u64 cgroup_id;     /* of the unified hierarchy */
	__u32 pid;           /* thread group */
	__u32 tid;
	__u32 parent_pid;
	__u32 target;    /* number of the target that profiles this process, 0: by name or all */
	__u32 owner_uid; /* the one uid and gid of the process, when its real, effective and */
	__u32 owner_gid; /* saved ids are equal, it holds no capability and is dumpable; else */
			 /* RECORD_NO_OWNER: only the privileged may see it */
	union {
		__u32 cost_ns; /* time the program spent on this sample */
		__u32 reason;  /* RECORD_SUM: enum frame_mark, what the thread waited for */
	};
	__u16 cpu;
	__u16 event;    /* enum record_event */
	__u16 walk_end; /* enum walk_end */
	__u16 flags;    /* enum sample_flag */
	__u16 user_count;
	__u16 kernel_count;
	char process_name[RECORD_NAME_BYTES]; /* of the leader */
	char thread_name[RECORD_NAME_BYTES];
	/* kernel_count kernel frames, then user_count user frames: frame.h. User frames of callers */
	/* are in their call instruction, kernel frames behind it. */
	__u64 frames[];
};

/* What identifies a file to the kernel program; opaque to user space (compared, never computed). */
struct module_key {
	__u64 inode;
	__u64 size;
	__s64 mtime_s;
	__u32 mtime_ns;
	__u32 device; /* kernel coding, and not what stat() says on overlayfs */
};

struct record_module {
	struct record_header header;
	struct module_key key;
	__u64 start_time_ns; /* of the process that mapped it */
	__u64 start, end;    /* of the mapping */
	__u64 file_offset;   /* of start, bytes */
	__u32 pid;
	__u32 module;      /* its number: frame_module() of the frames in it */
	__u32 path_length; /* 0: not known */
	__u32 root_length; /* bytes of the path that lead to the root of the process */
	__u32 filesystem;  /* magic number of the file system's kind, as in statfs() */
	__u32 reserved;
	char path[RECORD_PATH_BYTES]; /* seen from the root of the mounts, not terminated */
};

/* An executable mapping of a process: offset in the file = pc - start + offset. */
struct mapping {
	__u64 start;
	__u64 end;
	__u64 offset; /* of start, bytes; for code that is no file's the address itself */
	__u32 module; /* frame_module() of the frames in it; MODULE_NONE: no file's */
	__u32 reserved;
};

/*
 * Value of the map "mapping_tables" (key: __u32 pid): the executable mappings of a process, by
 * address. Used only where BPF cannot read the kernel's own (mapping_lookup in struct broker_hello
 * is 0); the core then fills it from /proc/PID/maps, and numbers the modules.
 */
#define MAPPING_TABLE_ENTRIES 128

struct mapping_table {
	__u64 start_time_ns; /* of the process, compared in ticks */
	__u32 count;
	__u32 reserved;
	struct mapping entries[MAPPING_TABLE_ENTRIES];
};

struct record_process {
	struct record_header header;
	__u64 time_ns;
	__u64 start_time_ns;
	__u64 parent_start_time_ns;
	__u64 cgroup_id;
	__u32 pid;
	__u32 parent_pid;
	__u32 target; /* inherited or own */
	__u32 owner_uid;
	__u32 owner_gid;
	__u32 reserved;
	char process_name[RECORD_NAME_BYTES];
};

/*
 * How a process is profiled: value of the maps "processes" (key: __u32 pid), "names" (key: process
 * name, 16 bytes) and "cgroups" (key: __u64 id), and of the entry for everything in
 * struct sampler_settings. Where several apply the one with the highest keep counts.
 */
struct profiled {
	__u64 start_time_ns; /* "processes": of the process this is about, as exact as /proc tells */
	/* it (multiples of START_TIME_TICK_NS); 0: not compared, and elsewhere */
	__u32 keep;   /* share of the events to keep, of 2^32 - 1; 0: none (paused) */
	__u32 target; /* number of the target, for "processes" */
	__u32 flags;  /* enum profiled_flag */
	__u32 events; /* bit for each enum record_event; "keep" is about EVENT_CPU alone */
};

enum profiled_flag {
	PROFILED_FOLLOW = 1, /* children become profiled when they are forked */
	PROFILED_NOT = 2, /* "names": looked at and not wanted; "processes": never (the daemon) */
	PROFILED_EXITED = 4, /* "processes": RECORD_EXIT was sent; set by the kernel program */
};

/* Kernel code from start up to end, which is not part of it; both 0: none. */
struct code_range {
	__u64 start;
	__u64 end;
};

#define INTERRUPT_RANGES 3 /* entries of interrupts, their handling afterwards */

/* The one entry of the memory-mapped array "settings"; written by the core at any time. */
struct sampler_settings {
	__u64 interval_ns;   /* weight of a sample when every event is kept */
	struct profiled all; /* keep 0: not everything is profiled */
	__u32 match_names;   /* non-zero: look processes up in "names"; unknown ones are pending */
	__u32 match_cgroups; /* non-zero: look ancestors up in "cgroups" */
	__u32 kernel_stacks; /* non-zero: take kernel frames */
	__u32 generation;    /* grows when the sets change: what threads remember is void */
	__u32 period;        /* grows with every look */
	__u32 all_paced_ns;  /* threads with a longer mean interval between events are exact */
	__u32 paced_keep;    /* share of what that leaves that is kept, of 2^32 - 1: all threads' */
	__u32 duty;          /* share of the time in which the hooks are attached, likewise */
	__u32 is_unhooked;   /* non-zero: they are not; what passes now is not counted */
	__u32 now_s; /* what walks stamp the tables with that they use: boot time, each second */
	__u64 opened_ns; /* when the hooks were attached. Boot time */
	/* A kernel stack with a frame in one of these is an interrupt's. */
	struct code_range interrupts[INTERRUPT_RANGES];
};

/*
 * Counters that the kernel programs keep, per CPU, in the array "counters". The second word is the
 * name in `status`; names under "lost" are samples that were taken and not kept.
 */
#define KERNEL_COUNTERS(X)                                                                   \
	X(TAKEN, "samples.taken", "samples of profiled processes")                           \
	X(PENDING, "samples.pending", "samples sent for the core to match by name")          \
	X(LOST_RING, "lost.ring_full", "samples refused because the ring buffer was full")   \
	X(LOST_PENDING, "lost.ring_full_pending", "the same, for pending samples")           \
	X(THROTTLED, "lost.throttled", "samples that the kernel refused to take, estimated") \
	X(LOST_RECORDS, "records.lost", "fork, exec, exit and module records refused")       \
	X(MODULES_FULL, "modules.full", "frames whose module got no number")                 \
	X(MAPPING_DEAD, "mappings.dead_node", "mapping look-ups that met a replaced node")   \
	X(MAPPING_FAILED, "mappings.failed", "mapping look-ups that gave up")                \
	X(PROCESSES_FULL, "processes.full", "children that could not be followed")           \
	X(SWITCHES, "switches.seen", "switches of threads, of all, while somebody watched")  \
	X(SLEEPS, "switches.sampled", "those of which the stack was walked")                 \
	X(WAKERS, "wakers.sampled", "sleeps whose waker's stack was walked")                 \
	X(FAULTS, "faults.seen", "page faults of profiled threads")                          \
	X(FAULTS_WALKED, "faults.sampled", "those of which the stack was walked")            \
	X(EVENT_COST, "events.cost_ns", "time spent on stacks of switches and faults, ns")   \
	X(LOST_SUMS, "lost.sums_full", "events whose stack the kernel had no room for")      \
	X(LOST_STACK, "lost.stack_refused", "events whose stack the ring buffer refused")

enum kernel_counter {
#define X(name, text, sentence) KERNEL_COUNTER_##name,
	KERNEL_COUNTERS(X)
#undef X
		KERNEL_COUNTER_WALK_FIRST, /* WALK_END_COUNT counters, one a way a walk ended */
	KERNEL_COUNTER_COUNT = KERNEL_COUNTER_WALK_FIRST + WALK_END_COUNT
};

_Static_assert(sizeof(struct record_header) == 8, "layout shared with the kernel");
_Static_assert(sizeof(struct record_sample) == 112, "layout shared with the kernel");
_Static_assert(sizeof(struct module_key) == 32, "layout shared with the kernel");
_Static_assert(sizeof(struct mapping) == 32, "layout shared with the kernel");
_Static_assert(sizeof(struct profiled) == 24, "layout shared with the kernel");

#endif
