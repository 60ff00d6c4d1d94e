/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * One step of a walk, from a frame to its caller: arithmetic on registers by a rule. Compiled for
 * the kernel and for user space alike. No maps, no loops, unsigned arithmetic only.
 */
#ifndef FLAME_BPF_UNWIND_STEP_H
#define FLAME_BPF_UNWIND_STEP_H

#include "bpf/record.h"
#include "bpf/unwind_table.h"
#include "bpf/unwind_x86_64.h"

#define UNWIND_WORD sizeof(__u64)

/*
 * Read count (1 or 2) words of the walked process; non-zero when that cannot be. memory is what the
 * walk was given. The includer defines it: in the kernel scratch.bpf.h.
 */
#ifdef __bpf__
static inline
#endif
	int
	unwind_read(void *memory, __u64 address, __u64 *values, __u32 count);

/* A frame, as far as the walk knows it. */
struct unwind_frame {
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u64 rbx_address; /* where a callee saved rbx of this frame, 0: nowhere */
	__u32 is_exact;    /* pc is where the frame is, not behind the call it waits for */
	__u32 is_leaf;     /* registers[] are its */
	__u32 keeps_rbx;   /* registers[UNWIND_RBX] is still its */
	__u32 reserved;
	__u64 registers[UNWIND_REGISTERS]; /* of the leaf, in DWARF's order */
};

/* Results of a step other than those of enum walk_end. */
#define UNWIND_GOES_ON (-1)

/* The address that rules and names are looked up with: of the call, not of what is behind it. */
static inline __u64 unwind_lookup_pc(const struct unwind_frame *frame)
{
	return frame->pc - !frame->is_exact;
}

/* The value of a register in the frame; non-zero when it is not known. */
static inline int unwind_register_get(void *memory, const struct unwind_frame *frame, __u32 number,
				      __u64 *value)
{
	if (number == UNWIND_RSP)
		*value = frame->sp;
	else if (number == UNWIND_RBP)
		*value = frame->fp;
	else if (frame->is_leaf || (number == UNWIND_RBX && frame->keeps_rbx))
		*value = frame->registers[number & (UNWIND_REGISTERS - 1)];
	else if (number == UNWIND_RBX && frame->rbx_address)
		return unwind_read(memory, frame->rbx_address, value, 1);
	else
		return -1;
	return 0;
}

/* Compute the CFA; WALK_ROOT stands for success here. */
static inline int unwind_cfa_get(void *memory, const struct unwind_frame *frame,
				 const struct unwind_rule *rule, __u64 *cfa)
{
	__u32 kind = unwind_cfa_kind(rule);
	__u64 base;

	if (kind == UNWIND_CFA_NONE)
		return WALK_NO_RULE;
	if (kind == UNWIND_CFA_UNSUPPORTED ||
	    unwind_register_get(memory, frame, unwind_cfa_register(rule), &base))
		return WALK_UNSUPPORTED;
	base += (__u64)(__s64)rule->cfa_offset;
	if (kind == UNWIND_CFA_PLT)
		base += (frame->pc & 15) >= (__u64)rule->cfa_addend ? UNWIND_WORD : 0;
	if (kind == UNWIND_CFA_DEREF || kind == UNWIND_CFA_SIGNAL) {
		if (unwind_read(memory, base, &base, 1))
			return WALK_UNREADABLE;
		base += (__u64)(__s64)rule->cfa_addend;
	}
	*cfa = base;
	return WALK_ROOT;
}

/* Address of a value that a rule says is in memory, 0: it is not. */
static inline __u64 unwind_place_address(const struct unwind_frame *frame, __u64 cfa, __u32 place,
					 __s16 offset)
{
	__u64 distance = (__u64)(__s64)offset;

	if (place == UNWIND_AT_CFA)
		return cfa + distance;
	if (place == UNWIND_AT_SP)
		return frame->sp + distance;
	if (place == UNWIND_AT_FP)
		return frame->fp + distance;
	return 0;
}

/*
 * Whether a saved register was restored already, at the end of a function, though the rule still
 * tells where it was saved: that lies below sp, and may be in no copy of the stack.
 */
static inline int unwind_is_popped(const struct unwind_frame *frame, __u32 place, __u64 address)
{
	return place == UNWIND_AT_CFA && address < frame->sp;
}

/* Read return address and frame pointer of the caller; together where they are neighbours. */
static inline int unwind_read_caller(void *memory, const struct unwind_frame *frame,
				     const struct unwind_rule *rule, __u64 cfa, __u64 *pc,
				     __u64 *fp)
{
	__u64 pc_address = unwind_place_address(frame, cfa, rule->ra, rule->ra_offset);
	__u64 fp_address = unwind_place_address(frame, cfa, rule->fp, rule->fp_offset);
	__u64 words[2];

	if (unwind_is_popped(frame, rule->fp, fp_address))
		fp_address = 0;
	if (pc_address && fp_address == pc_address - UNWIND_WORD) {
		if (unwind_read(memory, fp_address, words, 2))
			return WALK_UNREADABLE;
		*fp = words[0];
		*pc = words[1];
		return UNWIND_GOES_ON;
	}
	if (fp_address) {
		if (unwind_read(memory, fp_address, fp, 1))
			return WALK_UNREADABLE;
	} else if (rule->fp == UNWIND_IN_REGISTER) {
		if (unwind_register_get(memory, frame, (__u32)(__u16)rule->fp_offset, fp))
			return WALK_UNSUPPORTED;
	} else {
		*fp = rule->fp == UNWIND_LOST ? 0 : frame->fp;
	}
	if (pc_address)
		return unwind_read(memory, pc_address, pc, 1) ? WALK_UNREADABLE : UNWIND_GOES_ON;
	if (rule->ra == UNWIND_IN_REGISTER)
		return unwind_register_get(memory, frame, (__u32)(__u16)rule->ra_offset, pc)
			       ? WALK_UNSUPPORTED
			       : UNWIND_GOES_ON;
	return WALK_ROOT;
}

/* Make frame its caller by rule. Returns UNWIND_GOES_ON, or how the walk ends here. */
static inline int unwind_step_rule(void *memory, struct unwind_frame *frame,
				   const struct unwind_rule *rule)
{
	int is_signal = unwind_cfa_kind(rule) == UNWIND_CFA_SIGNAL;
	__u64 cfa, pc, fp, rbx_address;
	int end;

	if (rule->ra == UNWIND_SAME || rule->ra == UNWIND_LOST)
		return unwind_cfa_kind(rule) >= UNWIND_CFA_REGISTER ? WALK_ROOT : WALK_NO_RULE;
	end = unwind_cfa_get(memory, frame, rule, &cfa);
	if (end != WALK_ROOT)
		return end;
	/* Stacks grow down; only a signal may have come from another one. */
	if (!is_signal && cfa <= frame->sp && !frame->is_leaf)
		return WALK_UNSUPPORTED;
	end = unwind_read_caller(memory, frame, rule, cfa, &pc, &fp);
	if (end != UNWIND_GOES_ON)
		return end;
	if (!pc)
		return WALK_ROOT;
	rbx_address = unwind_place_address(frame, cfa, rule->rbx, rule->rbx_offset);
	if (rule->rbx != UNWIND_SAME && !unwind_is_popped(frame, rule->rbx, rbx_address)) {
		frame->rbx_address = rbx_address;
		frame->keeps_rbx = 0;
	}
	frame->pc = pc;
	frame->sp = cfa;
	frame->fp = fp;
	frame->is_exact = (__u32)is_signal;
	frame->is_leaf = 0;
	return UNWIND_GOES_ON;
}

/*
 * Make frame its caller by the frame pointer, for code without rules. A chain ends with zero. A
 * frame pointer need not lie above sp: Go switches stacks.
 */
static inline int unwind_step_pointer(void *memory, struct unwind_frame *frame)
{
	__u64 words[2];

	if (!frame->fp)
		return WALK_ROOT;
	if ((frame->fp & (UNWIND_WORD - 1)) || unwind_read(memory, frame->fp, words, 2))
		return WALK_FRAME_POINTER;
	if (!words[1])
		return WALK_ROOT;
	frame->sp = frame->fp + 2 * UNWIND_WORD;
	frame->fp = words[0];
	frame->pc = words[1];
	frame->rbx_address = 0;
	frame->keeps_rbx = 0;
	frame->is_exact = 0;
	frame->is_leaf = 0;
	return UNWIND_GOES_ON;
}

#endif
