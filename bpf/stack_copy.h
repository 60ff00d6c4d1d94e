/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes with a sample whose walk met a module without tables: the frame it came to, the stack
 * from there on, and the mappings of code, so that the walk can be finished in user space when the
 * tables are there. A record of its own, right before the sample's.
 */
#ifndef FLAME_BPF_STACK_COPY_H
#define FLAME_BPF_STACK_COPY_H

#include "bpf/record.h"
#include "bpf/unwind_step.h"

#define STACK_COPY_BYTES \
	28672 /* what fits, with the record, into 32 KiB: no value of a CPU is larger */
#define STACK_COPY_CHUNK    256 /* bytes; copying ends with the first one that cannot be read */
#define STACK_COPY_MAPPINGS 64
/* Below sp: what was popped already, and rules still say is saved. Bytes. */
#define STACK_COPY_BELOW 128

struct record_stack {
	struct record_header header; /* RECORD_STACK */
	__u64 time_ns;               /* as of the sample */
	__u32 cpu;
	__u32 frame_count; /* user frames of the sample, the last one that of frame */
	struct unwind_frame frame;
	__u64 address; /* of the first byte */
	__u32 size;    /* of bytes */
	__u32 mapping_count;
	struct mapping mappings[STACK_COPY_MAPPINGS]; /* by address */
	__u8 bytes[];
};

_Static_assert(sizeof(struct record_stack) % 8 == 0, "words of the stack are aligned");

#endif
