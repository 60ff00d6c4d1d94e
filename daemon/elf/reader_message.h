/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core may ask of the elf reader, over a SOCK_SEQPACKET pair: one request at a time,
 * fixed-size, with the files as descriptors (SCM_RIGHTS); one reply with a sealed memfd. The
 * reader opens nothing by itself. When it dies or takes longer than READER_TIMEOUT_MS the core
 * marks the file at hand unreadable and has the broker start another.
 */
#ifndef FLAME_DAEMON_ELF_READER_MESSAGE_H
#define FLAME_DAEMON_ELF_READER_MESSAGE_H

#include <stdint.h>

#define READER_TIMEOUT_MS 10000
#define READER_MAX_FDS    4

enum reader_request_type {
	READER_MODULE = 1, /* fd 0: ELF file, fd 1 (optional): its debug file -> module image */
	READER_PERF_MAP,   /* fd 0: a perf-PID.map -> module image */
	READER_VDSO,       /* no fd: the reader's own vdso -> module image */
	READER_DEMANGLE, /* fd 0: memfd, names each zero-terminated -> the same, demangled, in order */
	READER_LINES,    /* fd 0: ELF file, last: regular file of __u64 offsets -> see lines.h; */
			 /* in between: its debug file, then the one in .gnu_debugaltlink (where */
			 /* the ELF file has debug information itself it is given again) */
	READER_ALLOCATOR, /* fd 0: ELF file -> memfd, see allocator.h */
};

struct reader_request {
	uint32_t type; /* enum reader_request_type */
	uint32_t serial;
	uint32_t fd_count;
	uint32_t flags;
};

enum reader_flag {
	READER_WANT_ROWS = 1, /* READER_MODULE: unwind rows too */
};

struct reader_reply {
	uint32_t serial;
	int32_t error; /* negative errno; 0: a memfd comes with the reply */
};

#endif
