/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the records of .eh_frame (DWARF 5, section 6.4, and the Linux Standard Base): which
 * functions it describes, and the instructions that say how the caller of each is found.
 */
#ifndef FLAME_DAEMON_ELF_CALL_FRAME_H
#define FLAME_DAEMON_ELF_CALL_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_table.h"
#include "daemon/elf/frame_program.h"

struct call_frame_section {
	const uint8_t *bytes;
	size_t size; /* at most 4 GiB */
	uint64_t vaddr;
	int ends_at_zero; /* a record of no length is the end: the true size is not known */
};

/* One function, or what the linker made of several: a frame description entry. */
struct call_frame {
	uint64_t vaddr;
	uint64_t size;             /* bytes of code */
	uint32_t common;           /* where its common information entry is in the section */
	uint32_t instructions;     /* where its own are in the section */
	uint32_t instruction_size; /* bytes */
};

/* What the frames of one common entry share, run already. Zero-initialised is none. */
struct call_frame_common {
	uint32_t position; /* in the section */
	int is_known;
	int is_usable;
	int is_signal;
	int has_augmentation; /* its frames have augmentation data with a size */
	uint8_t encoding;     /* of addresses in its frames: DW_EH_PE_… */
	uint64_t code_factor;
	int64_t data_factor;
	struct unwind_rule rule; /* in force where its frames begin */
};

/*
 * Find the next frame from *position, which moves behind it. common is a cache of the one entry
 * that was used last. Returns 1, or 0 at the end. What makes no sense is passed over.
 */
int call_frame_next(const struct call_frame_section *section, size_t *position,
		    struct call_frame_common *common, struct call_frame *frame);

/*
 * Run the instructions of frame and report each rule (frame_program.h).
 */
void call_frame_run(const struct call_frame_section *section, const struct call_frame *frame,
		    struct call_frame_common *common, frame_program_on_rule *on_rule,
		    void *context);

#endif
