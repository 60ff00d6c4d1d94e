/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One record of a perf ring buffer (perf_event_open(2)), taken apart: who it is about, and what it
 * says. The bytes come from the kernel, but their sizes are not believed. Pointers lead into the
 * bytes.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_RECORD_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_x86_64.h"
#include "common/memory.h"

#define PERF_RECORD_MAX_BYTES 65536 /* its size has 16 bits */

/* What code is mapped where, as PERF_RECORD_MMAP2 tells it. */
struct perf_mapping {
	uint64_t start, end;
	uint64_t file_offset; /* of start, bytes */
	uint64_t inode;       /* 0: no file's */
	uint64_t generation;  /* of the inode */
	uint32_t device;      /* kernel coding: major << 20 | minor */
	uint32_t path_length;
	const char *path; /* not terminated */
};

struct perf_name {
	const char *text; /* not terminated */
	uint32_t length;
	int is_exec; /* the process runs another program from now on */
};

struct perf_task {
	uint32_t parent_pid;
	uint32_t parent_tid;
};

struct perf_sample {
	uint64_t cgroup_id;
	const uint64_t *kernel_frames; /* leaf first; behind the call, but for the leaf */
	uint32_t kernel_count;
	uint32_t stack_bytes;
	const uint8_t *stack;            /* from sp on */
	uint64_t registers[SAVED_COUNT]; /* of user mode; those that are not sampled are 0 */
	int has_user;                    /* 0: a kernel thread, without any of the above */
	int is_32_bit;
	int in_kernel; /* interrupted in kernel mode */
};

struct perf_record {
	uint32_t type; /* PERF_RECORD_SAMPLE, MMAP2, COMM, FORK, EXIT, LOST, THROTTLE, UNTHROTTLE */
	uint32_t pid;  /* of FORK: the child's */
	uint32_t tid;
	uint32_t cpu;
	uint64_t time_ns; /* PERF_CLOCK */
	union {
		struct perf_sample sample;
		struct perf_mapping mapping;
		struct perf_name name;
		struct perf_task task;
		uint64_t lost; /* records */
	};
};

/*
 * Take a record of size bytes apart, which is aligned to 8; fields is the sample_type of the event
 * (those of perf_layout.h). Errors: -EBADMSG when it contradicts itself, -ENOMSG when it is of no
 * interest.
 */
must_check int perf_record_parse(const void *bytes, size_t size, uint64_t fields,
				 struct perf_record *record);

#endif
