/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the caller of a frame is found, as tables that the kernel program searches: made by the elf
 * reader from .eh_frame, handed on by the core, walked in BPF (and in user space, over a copied
 * stack). Rows are keyed by offset in the file, in pages of 64 KiB of it: a row says which rule is
 * in force from its offset on, up to the next row. x86-64.
 */
#ifndef FLAME_BPF_UNWIND_TABLE_H
#define FLAME_BPF_UNWIND_TABLE_H

#ifndef __bpf__
#include <linux/types.h>
#endif

#define UNWIND_PAGE_BITS  16
#define UNWIND_PAGE_BYTES (1U << UNWIND_PAGE_BITS) /* of the file */
#define UNWIND_PART_BITS  10                       /* a page's parts are searched, not the page */
#define UNWIND_PARTS      (1U << (UNWIND_PAGE_BITS - UNWIND_PART_BITS))
#define UNWIND_RULE_BITS  14
#define UNWIND_MAX_RULES  (1U << UNWIND_RULE_BITS) /* of a file */
#define UNWIND_MAX_ROWS   65535U                   /* of a page */

/* Rules that every table begins with. */
#define UNWIND_RULE_NONE        0 /* no rule: a gap between functions, or not code */
#define UNWIND_RULE_UNSUPPORTED 1 /* there is one, which cannot be followed */
#define UNWIND_RULE_FIRST       2

/* DWARF's numbers of registers on x86-64. */
enum unwind_register {
	UNWIND_RAX = 0,
	UNWIND_RBX = 3,
	UNWIND_RDI = 5,
	UNWIND_RBP = 6,
	UNWIND_RSP = 7,
	UNWIND_REGISTERS = 16, /* general ones: 0-15 */
	UNWIND_RIP = 16,
};

/* The canonical frame address (CFA): the value sp has in the caller after the call returns. */
enum unwind_cfa {
	UNWIND_CFA_NONE,
	UNWIND_CFA_UNSUPPORTED,
	UNWIND_CFA_REGISTER, /* register + cfa_offset */
	UNWIND_CFA_DEREF,    /* *(register + cfa_offset) + cfa_addend */
	UNWIND_CFA_PLT,      /* register + cfa_offset, + 8 where (pc & 15) >= cfa_addend */
	UNWIND_CFA_SIGNAL, /* as DEREF; the caller was interrupted: its pc is exact, not behind a */
			   /* call */
};

/* Where the value that a register had in the caller is. */
enum unwind_place {
	UNWIND_SAME,        /* still in the register; return address: there is none, the root */
	UNWIND_LOST,        /* nowhere; return address: this is the root */
	UNWIND_AT_CFA,      /* in memory at CFA + offset */
	UNWIND_AT_SP,       /* in memory at sp + offset */
	UNWIND_AT_FP,       /* in memory at rbp + offset */
	UNWIND_IN_REGISTER, /* in register number offset; known in the leaf alone */
};

/*
 * The registers of a rule are those of the frame that is walked, so that rbp in cfa or AT_FP is the
 * value before this step. Registers other than rsp, rbp and, where it was saved, rbx are known in
 * the leaf alone.
 */
struct unwind_rule {
	__s32 cfa_offset;
	__s16 cfa_addend;
	__s16 ra_offset; /* return address: -8 in all but a handful of rules */
	__s16 fp_offset;
	__s16 rbx_offset;
	__u8 cfa; /* enum unwind_cfa | enum unwind_register << 4 */
	__u8 ra;  /* enum unwind_place */
	__u8 fp;  /* enum unwind_place of rbp */
	__u8 rbx; /* enum unwind_place */
};

/* What rows and rules take room in: an image has an array of them, the kernel shards. */
struct unwind_cell {
	__u16 words[8];
};

/*
 * The rows of one page are a block of cells, read as words: for each part of the page where its rows
 * end; then the rows, a word each, with the offset in the part in the high bits and the low bits of
 * the number of the rule below it; then the high bits of these numbers, a byte each.
 */
#define UNWIND_ROW_LOW_BITS (16 - UNWIND_PART_BITS)
#define UNWIND_ROW_LOW_MASK ((1U << UNWIND_ROW_LOW_BITS) - 1)
#define UNWIND_PART_STEPS   11 /* halvings of the most rows a part can have, one a byte */

/* Words of a block, without those that fill up the last cell. */
static inline __u32 unwind_block_words(__u32 row_count)
{
	return UNWIND_PARTS + row_count + (row_count + 1) / 2;
}

static inline __u32 unwind_block_cells(__u32 row_count)
{
	return (unwind_block_words(row_count) + 7) / 8;
}

/*
 * The number of the rule in force at an offset in the page whose block of row_count rows begins at
 * words[first]; UNWIND_RULE_NONE: none is. Indices are cut by mask, for who cannot know that they fit.
 */
#ifdef __bpf__ /* calls take of the 512 bytes of stack that all of a program's functions share */
__attribute__((always_inline))
#endif
static inline __u32
unwind_block_find(const __u16 *words, __u32 mask, __u32 first, __u32 row_count, __u32 offset)
{
	__u32 part = (offset >> UNWIND_PART_BITS) & (UNWIND_PARTS - 1);
	/* Above every row that begins here or before, whatever its rule is. */
	__u32 wanted = (offset << UNWIND_ROW_LOW_BITS & 0xffff) | UNWIND_ROW_LOW_MASK;
	__u32 rows = first + UNWIND_PARTS;
	__u32 low = part ? words[(first + part - 1) & mask] : 0;
	__u32 high = words[(first + part) & mask];

	for (__u32 i = 0; i < UNWIND_PART_STEPS; i++) {
		__u32 middle = (low + high) / 2;

		if (low >= high)
			break;
		if (words[(rows + middle) & mask] <= wanted)
			low = middle + 1;
		else
			high = middle;
	}
	/* What begins in no part of this page but is in force has a row at its very start. */
	if (!low)
		return UNWIND_RULE_NONE;
	low--;
	return (words[(rows + low) & mask] & UNWIND_ROW_LOW_MASK) |
	       (words[(rows + row_count + low / 2) & mask] >> (low & 1) * 8 & 255)
		       << UNWIND_ROW_LOW_BITS;
}

/* In a module image: the rows of one page. Pages without any rule are left out. */
struct unwind_page {
	__u32 number; /* file offset >> UNWIND_PAGE_BITS */
	__u32 first;  /* cell of its block */
	__u32 count;  /* rows, at least one */
};

/*
 * In the kernel: blocks and rules of all modules are in shards, maps of UNWIND_SHARD_CELLS cells each;
 * a place is the number of a cell over all shards. Each module has an entry in the array
 * "unwind_modules" (by its number), which leads to its rules, one a cell, and to one slice a page of
 * its file in the array "unwind_slices". The core writes all of them, the entry of a module last.
 */
#define UNWIND_SHARD_BITS  14
#define UNWIND_SHARD_CELLS (1U << UNWIND_SHARD_BITS)
#define UNWIND_SHARD_WORDS (UNWIND_SHARD_CELLS * 8)
#define UNWIND_MAX_SHARDS  1024U
#define UNWIND_MAX_SLICES  (1U << 18) /* pages of all files: 16 GiB of them */

enum unwind_module_state {
	UNWIND_MODULE_ABSENT, /* not read yet, or evicted */
	UNWIND_MODULE_LOADED,
	UNWIND_MODULE_BARE, /* read, and there are no rules in it: step by frame pointer */
};

struct unwind_module {
	__u32 first_slice; /* of page first_page */
	__u32 first_page;
	__u32 page_count;
	__u32 state; /* enum unwind_module_state */
	__u32 used_s; /* when a walk came by last, set by the kernel program: see now_s in record.h */
	__u32 rules; /* place of the first one; they do not go beyond the end of their shard */
	__u32 load;  /* which putting into force this is, of all modules' ones; never 0 */
	__u32 reserved;
};

/* The rows of one page of a file. */
struct unwind_slice {
	__u32 block; /* its place; it does not go beyond the end of its shard */
	__u32 count; /* rows; 0: no rule anywhere in the page */
};

_Static_assert(sizeof(struct unwind_cell) == 16, "layout shared with the kernel");
_Static_assert(sizeof(struct unwind_rule) == 16, "one a cell");
_Static_assert(sizeof(struct unwind_page) == 12, "layout shared with the image");
_Static_assert(sizeof(struct unwind_module) == 32, "layout shared with the kernel");
_Static_assert(sizeof(struct unwind_slice) == 8, "layout shared with the kernel");

/* The kind of CFA, and the register it is computed from. */
static inline __u32 unwind_cfa_kind(const struct unwind_rule *rule)
{
	return rule->cfa & 15;
}

static inline __u32 unwind_cfa_register(const struct unwind_rule *rule)
{
	return rule->cfa >> 4;
}

#endif
