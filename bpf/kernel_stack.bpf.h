/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The kernel stack of a thread that is being switched out: kernel_stack_take(). Threads sleep in the
 * same few places again and again, and to have the kernel unwind its stack there can cost more than
 * all the rest of a sample: it looks every return address up, in tables that have left the caches
 * while the CPU slept. So stacks are recognised. Once the kernel has told the frames of one, it is
 * noted how far from the hook their return addresses lie on the stack; where the same ones lie at the
 * same places, the frames are the same: frames of kernel functions have a fixed size, so the first
 * return address says where the second must be, and so on. But for the frame of the function that is
 * entered first: that of a system call begins at a random place, and its return address is looked for
 * at the top.
 */
#ifndef FLAME_BPF_KERNEL_STACK_BPF_H
#define FLAME_BPF_KERNEL_STACK_BPF_H

#include <bpf/bpf_core_read.h>

#include "bpf/kernel_types.bpf.h"
#include "bpf/scratch.bpf.h"

#define KERNEL_STACK_WORDS 256 /* from the hook up to where the kernel was entered */
#define KNOWN_SETS         32  /* a system call's stacks are in one of them; a power of two */
#define KNOWN_WAYS         4   /* stacks of a set; a power of two */
#define KNOWN_FRAMES       32  /* of a stack; a power of two */

/* The part of the current task's stack that is looked at. */
struct kernel_stack_copy {
	__u64 from; /* addresses */
	__u64 to;
	__u32 count;   /* of words */
	__u32 found;   /* frames; in a register the verifier would follow every count */
	__u32 learned; /* stacks so far */
	__u32 reserved;
	__u64 words[KERNEL_STACK_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kernel_stack_copy);
} kernel_stack_copies SEC(".maps");

struct known_stack {
	__u32 call;  /* number of the system call */
	__u32 count; /* of frames; 0: none is known */
	/* Where the return addresses lie, but for the last: no nearer than so many words. */
	__u8 places[KNOWN_FRAMES];
	__u64 frames[KNOWN_FRAMES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KNOWN_SETS *KNOWN_WAYS);
	__type(key, __u32);
	__type(value, struct known_stack);
} known_stacks SEC(".maps");

/* This CPU's. */
static __always_inline struct kernel_stack_copy *kernel_stack_copy_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kernel_stack_copies, &zero);
}

/* Where one of the stacks of a system call is kept. */
static __always_inline struct known_stack *known_stack_get(__u32 call, __u32 way)
{
	__u32 place = (call & (KNOWN_SETS - 1)) * KNOWN_WAYS + (way & (KNOWN_WAYS - 1));

	return bpf_map_lookup_elem(&known_stacks, &place);
}

/* Read the stack. Non-zero when that cannot be, or it is too deep. */
__weak __noinline int kernel_stack_read(void)
{
	struct kernel_stack_copy *copy = kernel_stack_copy_get();
	__u64 size;

	if (!copy)
		return -1;
	size = copy->to - copy->from;
	copy->count = (__u32)(size / sizeof(__u64));
	if (!copy->count || size > sizeof(copy->words))
		return -1;
	return (int)bpf_probe_read_kernel(copy->words, (__u32)size, (const void *)copy->from);
}

/* Whether the stack is this one. */
__weak __noinline int kernel_stack_is(__u32 call, __u32 way)
{
	const struct known_stack *known = known_stack_get(call, way);
	const struct kernel_stack_copy *copy = kernel_stack_copy_get();

	if (!known || !copy || !known->count || known->call != call)
		return 0;
	for (__u32 i = 0; i < KNOWN_FRAMES; i++) {
		if (i + 1 >= known->count)
			break;
		if (copy->words[known->places[i]] != known->frames[i])
			return 0;
	}
	return copy->words[(copy->count - 1) & (KERNEL_STACK_WORDS - 1)] ==
	       known->frames[(known->count - 1) & (KNOWN_FRAMES - 1)];
}

/*
 * Whether the frames in scratch are those of this stack, though it was not recognised. Then what lies
 * at some of its places was not the return address, but an old copy that has gone.
 */
__weak __noinline int kernel_stack_is_again(__u32 slot, __u32 call, __u32 way)
{
	struct known_stack *known = known_stack_get(call, way);
	const struct kernel_stack_copy *copy = kernel_stack_copy_get();
	const struct scratch *scratch = scratch_get(slot);

	if (!known || !copy || !scratch || known->call != call ||
	    known->count != scratch->sample.kernel_count)
		return 0;
	for (__u32 i = 0; i < KNOWN_FRAMES; i++)
		if (i < known->count && known->frames[i] != scratch->frames[i])
			return 0;
	for (__u32 i = 0; i < KNOWN_FRAMES; i++)
		if (copy->words[known->places[i]] != known->frames[i])
			known->places[i]++;
	return 1;
}

/* Find the frames of this stack in the copy, beginning at the places that are noted. */
__weak __noinline int kernel_stack_find(__u32 call, __u32 way)
{
	struct known_stack *known = known_stack_get(call, way);
	struct kernel_stack_copy *copy = kernel_stack_copy_get();

	if (!known || !copy)
		return 0;
	copy->found = 0;
	for (__u32 i = 0; i < KERNEL_STACK_WORDS; i++) {
		__u32 next = copy->found & (KNOWN_FRAMES - 1);

		if (i >= copy->count || next + 1 >= known->count)
			break;
		if (copy->words[i] != known->frames[next] || i < known->places[next])
			continue;
		known->places[next] = (__u8)i;
		copy->found++;
	}
	/* Some are not there: in registers, or in code that was made at run time. */
	if (copy->found + 1 < known->count)
		known->count = 0;
	return 0;
}

/* Remember the stack whose frames are in scratch. */
static __always_inline void kernel_stack_learn(__u32 slot, const struct scratch *scratch,
					       struct kernel_stack_copy *copy, __u32 call)
{
	struct known_stack *known;
	__u32 way;

	for (way = 0; way < KNOWN_WAYS; way++) {
		if (kernel_stack_is_again(slot, call, way)) {
			kernel_stack_find(call, way);
			return;
		}
	}
	way = copy->learned++;
	known = known_stack_get(call, way);
	if (!known)
		return;
	known->call = call;
	known->count = scratch->sample.kernel_count;
	bpf_probe_read_kernel(known->frames, sizeof(known->frames), scratch->frames);
	__builtin_memset(known->places, 0, sizeof(known->places));
	kernel_stack_find(call, way);
}

/*
 * Fill in the kernel frames of the sample in the scratch of slot: those of the current task, without
 * the first `skipped` ones. context: of a program at a tracepoint that is hit on the task's own stack,
 * as those of the scheduler are.
 */
static __always_inline void kernel_stack_take(void *context, __u32 slot, struct scratch *scratch,
					      struct task_struct *task, __u32 skipped)
{
	const struct pt_regs___kernel *registers = (void *)bpf_task_pt_regs(task);
	__u32 call = (__u32)BPF_CORE_READ(registers, orig_ax);
	struct kernel_stack_copy *copy = kernel_stack_copy_get();
	const struct known_stack *known;
	int is_read;
	long size;

	if (!copy)
		return;
	/* In memory addresses become numbers, which the verifier lets one compute with. */
	copy->from = (__u64)context;
	copy->to = (__u64)registers;
	is_read = !kernel_stack_read();
	for (__u32 way = 0; is_read && way < KNOWN_WAYS; way++) {
		if (!kernel_stack_is(call, way))
			continue;
		known = known_stack_get(call, way);
		if (!known)
			continue;
		bpf_probe_read_kernel(scratch->frames, sizeof(known->frames), known->frames);
		scratch->sample.kernel_count = (__u16)known->count;
		return;
	}
	size = bpf_get_stack(context, scratch->frames, RECORD_KERNEL_FRAMES * sizeof(__u64),
			     skipped);
	if (size <= 0)
		return;
	scratch->sample.kernel_count = (__u16)(size / sizeof(__u64));
	if (is_read && scratch->sample.kernel_count <= KNOWN_FRAMES)
		kernel_stack_learn(slot, scratch, copy, call);
}

#endif
