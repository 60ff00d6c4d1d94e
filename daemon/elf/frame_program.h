/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs call frame instructions (DWARF 5, section 6.4.2), which say step by step how the caller is
 * found as a function goes on. Of the registers only the canonical frame address, the return
 * address, rbp and rbx are followed.
 */
#ifndef FLAME_DAEMON_ELF_FRAME_PROGRAM_H
#define FLAME_DAEMON_ELF_FRAME_PROGRAM_H

#include <stdint.h>

#include "bpf/unwind_table.h"
#include "daemon/elf/byte_cursor.h"

/* Deepest nesting of remembered states that is followed; compilers use one. */
#define FRAME_PROGRAM_MAX_STATES 32

struct frame_program {
	struct byte_cursor instructions; /* borrowed */
	uint64_t code_factor;            /* bytes of code that one step is */
	int64_t data_factor;             /* bytes of stack */
	int is_signal;                   /* the frame is that of an interrupted function */
	uint64_t limit;                  /* size of the function, bytes */
	struct unwind_rule first;        /* where it begins, and what "restore" goes back to */
};

/* Receives a rule that is in force from offset bytes into the function. Offsets ascend. */
typedef void frame_program_on_rule(void *context, uint64_t offset, const struct unwind_rule *rule);

/*
 * Run program. Each rule is reported to on_rule, unless that is NULL; one that cannot be followed
 * as UNWIND_CFA_UNSUPPORTED. The last one goes to *rule, unless that is NULL.
 */
void frame_program_run(const struct frame_program *program, struct unwind_rule *rule,
		       frame_program_on_rule *on_rule, void *context);

#endif
