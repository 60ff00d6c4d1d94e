/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core may ask of the broker, over a SOCK_SEQPACKET pair: fixed-size requests, each
 * answered by one reply, in order, that may carry file descriptors (SCM_RIGHTS). The broker checks
 * every field, identifies processes by (pid, start time) itself, and interprets no text. Start times
 * are compared in ticks (START_TIME_TICK_NS in bpf/record.h), which is all that /proc tells.
 * At start, before any request, it sends one BROKER_HELLO reply with the sampler's descriptors.
 */
#ifndef FLAME_DAEMON_BROKER_BROKER_MESSAGE_H
#define FLAME_DAEMON_BROKER_BROKER_MESSAGE_H

#include <stdint.h>

#define BROKER_PATH_BYTES 1024
#define BROKER_MAX_FDS    32

enum broker_request_type {
	BROKER_HELLO,    /* not a request: serial 0 */
	BROKER_READY,    /* tell systemd that the socket accepts */
	BROKER_SET_RATE, /* value: events per second on each CPU, 0: none; re-reads online CPUs */
	/* what struct record_module tells, value: bytes of path above the process's root -> the file */
	BROKER_OPEN_MODULE,
	BROKER_OPEN_MAPPED,  /* pid, start_time_ns, start, end -> the file that is mapped there */
	BROKER_OPEN_IN_ROOT, /* pid, start_time_ns, path -> regular file under that process's root */
	BROKER_OPEN_PROC, /* pid, start_time_ns (0: do not compare), value: enum broker_proc_file */
	BROKER_OPEN_KALLSYMS,
	BROKER_ANNOUNCE,      /* pid: send a RECORD_MODULE for each file that it runs code of */
	BROKER_ADD_SHARDS,    /* value: how many more maps for unwind rows -> their descriptors */
	BROKER_START_PROBER,  /* pid, start_time_ns, value: slot -> socket: prober_message.h */
	BROKER_START_READER,  /* -> one end of a socket pair to a new elf reader */
	BROKER_OPEN_RINGS,    /* value: a CPU -> its perf events: perf_layout.h */
	BROKER_START_FETCHER, /* -> the same to a new fetcher; -EOPNOTSUPP: nothing is fetched */
	BROKER_OPEN_LOOK, /* -> link of the iterator: each file of it is a look at all threads */
	BROKER_START_YARDSTICK, /* -> the same to a new yardstick: yardstick_message.h */
	BROKER_SET_HOOKS,       /* value: bit for each enum broker_hook that is to be attached */
	BROKER_REQUEST_COUNT
};

/* Programs that cost something whenever they are attached, whoever is profiled. */
enum broker_hook {
	BROKER_HOOK_SWITCH, /* switches and wakings of threads */
	BROKER_HOOK_EXIT,   /* their exits */
	BROKER_HOOK_FAULT,  /* page faults */
	BROKER_HOOK_COUNT
};

enum broker_proc_file {
	BROKER_PROC_STAT,
	BROKER_PROC_STATUS,
	BROKER_PROC_CGROUP,
	BROKER_PROC_MAPS,
	BROKER_PROC_FILE_COUNT
};

struct broker_request {
	uint32_t type; /* enum broker_request_type */
	uint32_t serial;
	uint32_t pid;
	uint32_t path_length; /* of path, not terminated */
	uint64_t start_time_ns;
	uint64_t start;
	uint64_t end;
	uint64_t inode; /* with size and mtime_s: what the file must be */
	uint64_t size;
	int64_t mtime_s;
	uint64_t filesystem; /* its magic number; FUSE is refused, it can keep one waiting */
	uint64_t value;
	char path[BROKER_PATH_BYTES];
};

struct broker_reply {
	uint32_t type; /* of the request */
	uint32_t serial;
	int32_t error; /* negative errno, 0: done */
	uint32_t fd_count;
};

/* Descriptors of BROKER_HELLO, in this order; the core owns them. */
enum broker_hello_fd {
	BROKER_FD_RECORDS,        /* ring buffer map */
	BROKER_FD_SETTINGS,       /* array of one struct sampler_settings, memory-mapped */
	BROKER_FD_COUNTERS,       /* per-CPU array, enum kernel_counter */
	BROKER_FD_PROCESSES,      /* hash pid -> struct profiled */
	BROKER_FD_NAMES,          /* LRU hash process name -> struct profiled */
	BROKER_FD_CGROUPS,        /* hash cgroup id -> struct profiled */
	BROKER_FD_MODULES,        /* hash struct module_key -> number, to forget modules */
	BROKER_FD_FREE_MODULES,   /* queue of the numbers of modules that were forgotten */
	BROKER_FD_UNWIND_MODULES, /* arrays for the walk, memory-mapped: see bpf/unwind_table.h */
	BROKER_FD_UNWIND_SLICES,
	BROKER_FD_MAPPING_TABLES, /* LRU hash pid -> struct mapping_table */
	BROKER_FD_SUMS,           /* hash id of a stack -> struct sum */
	BROKER_FD_HEAP_RECORDS,   /* for the heap: see bpf/heap_record.h */
	BROKER_FD_HEAP_SLOTS,     /* memory-mapped */
	BROKER_FD_HEAP_USAGE,
	BROKER_FD_COUNT
};

/* Why stacks or samples are not what they could be, told in `status`. */
struct broker_hello {
	struct broker_reply reply;
	uint32_t hardware_cycles; /* 1: the event is cycles, 0: the CPU clock */
	uint32_t mapping_lookup;  /* 1: BPF finds mappings itself, 0: the self-test failed */
	uint32_t cpu_count;       /* possible CPUs */
	uint32_t walk;            /* enum broker_walk */
	uint32_t walk_reason;     /* enum broker_walk_reason */
	int32_t walk_error;       /* negative errno, of BROKER_WALK_REFUSED */
	uint32_t lacks_kernel;    /* 1: kernel mode is not sampled, that is not permitted */
	uint32_t reserved;
	uint64_t perf_fields; /* sample_type of the perf events */
};

/* Where user stacks are walked. */
enum broker_walk {
	BROKER_WALK_TABLES, /* by the kernel programs, with the tables that the core makes */
	BROKER_WALK_COPIES, /* by the core, on copies that perf events bring; the greeting has no */
			    /* descriptors then, BROKER_OPEN_RINGS gives them */
};

/* Why stacks are copied. */
enum broker_walk_reason {
	BROKER_WALK_BEST,    /* they are not */
	BROKER_WALK_REFUSED, /* the kernel programs could not be loaded */
	BROKER_WALK_UNSAFE,  /* this kernel can freeze when a kernel program reads a user stack */
	BROKER_WALK_ASKED,   /* an option says so */
};

#endif
