/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * What is peculiar to x86-64 in a walk: where the kernel saved which register, how code calls, and
 * which processes it cannot walk. Another architecture brings a header with the same names.
 */
#ifndef FLAME_BPF_UNWIND_X86_64_H
#define FLAME_BPF_UNWIND_X86_64_H

#include "bpf/unwind_table.h"

/* struct pt_regs, in words. */
enum saved_register {
	SAVED_R15,
	SAVED_R14,
	SAVED_R13,
	SAVED_R12,
	SAVED_RBP,
	SAVED_RBX,
	SAVED_R11,
	SAVED_R10,
	SAVED_R9,
	SAVED_R8,
	SAVED_RAX,
	SAVED_RCX,
	SAVED_RDX,
	SAVED_RSI,
	SAVED_RDI,
	SAVED_ORIG_RAX,
	SAVED_RIP,
	SAVED_CS,
	SAVED_FLAGS,
	SAVED_RSP,
	SAVED_SS,
	SAVED_COUNT
};

#define CS_32_BIT      0x23 /* __USER32_CS: another layout of everything */
#define CALL_MAX_BYTES 7

/* The registers in DWARF's order. */
#define UNWIND_COPY_REGISTERS(to, saved)       \
	do {                                   \
		(to)[0] = (saved)[SAVED_RAX];  \
		(to)[1] = (saved)[SAVED_RDX];  \
		(to)[2] = (saved)[SAVED_RCX];  \
		(to)[3] = (saved)[SAVED_RBX];  \
		(to)[4] = (saved)[SAVED_RSI];  \
		(to)[5] = (saved)[SAVED_RDI];  \
		(to)[6] = (saved)[SAVED_RBP];  \
		(to)[7] = (saved)[SAVED_RSP];  \
		(to)[8] = (saved)[SAVED_R8];   \
		(to)[9] = (saved)[SAVED_R9];   \
		(to)[10] = (saved)[SAVED_R10]; \
		(to)[11] = (saved)[SAVED_R11]; \
		(to)[12] = (saved)[SAVED_R12]; \
		(to)[13] = (saved)[SAVED_R13]; \
		(to)[14] = (saved)[SAVED_R14]; \
		(to)[15] = (saved)[SAVED_R15]; \
	} while (0)

/* Whether the CALL_MAX_BYTES bytes of code before an address end with a call instruction. */
static inline int unwind_is_behind_call(const __u8 *code)
{
	/* Call, operand relative: e8 and 4 bytes. */
	if (code[2] == 0xe8)
		return 1;
	/* Call, operand in register or memory: ff /2 and its 0, 1, 2, 4, 5 more bytes. */
	return (code[5] == 0xff && (code[6] & 0x38) == 0x10) ||
	       (code[4] == 0xff && (code[5] & 0x38) == 0x10) ||
	       (code[3] == 0xff && (code[4] & 0x38) == 0x10) ||
	       (code[1] == 0xff && (code[2] & 0x38) == 0x10) ||
	       (code[0] == 0xff && (code[1] & 0x38) == 0x10);
}

#endif
