/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The user stack of the current task: unwind_user() fills scratch->frames with frames that name
 * their file and says how the walk ended.
 */
#ifndef FLAME_BPF_UNWIND_BPF_H
#define FLAME_BPF_UNWIND_BPF_H

#include "bpf/mapping.bpf.h"

/* Turn the pcs in frames first to first + total into frames. Returns enum walk_end. */
__weak __noinline int unwind_place(__u32 slot, __u32 first, __u32 total)
{
	struct scratch *scratch = scratch_get(slot);

	if (!scratch)
		return WALK_UNMAPPED;
	for (__u32 i = 0; i < RECORD_USER_FRAMES; i++) {
		__u32 at = (first + i) & (SCRATCH_FRAMES - 1);

		if (i >= total)
			break;

		/* A caller's pc is behind its call, which may be the last instruction of all. */
		__u64 pc = scratch->frames[at] - (i > 0);
		int index = mapping_find(slot, pc);

		if (index < 0) {
			scratch->sample.user_count = (__u16)i;
			return WALK_UNMAPPED;
		}
		scratch->frames[at] =
			mapping_frame(&scratch->mappings[index & (SCRATCH_MAPPINGS - 1)], pc);
	}
	scratch->sample.user_count = (__u16)total;
	return WALK_FRAME_POINTER;
}

/* Walk the user stack of the current task into the frames behind the kernel frames. */
static inline int unwind_user(void *context, __u32 slot, struct scratch *scratch)
{
	__u32 first = scratch->sample.kernel_count;
	long size;

	scratch->sample.user_count = 0;
	if (!scratch->mm)
		return WALK_NO_MEMORY;
	if (first > RECORD_KERNEL_FRAMES)
		return WALK_UNREADABLE;
	size = bpf_get_stack(context, &scratch->frames[first], RECORD_USER_FRAMES * sizeof(__u64),
			     BPF_F_USER_STACK);
	if (size <= 0)
		return WALK_UNREADABLE;
	return unwind_place(slot, first, (__u32)size / sizeof(__u64));
}

#endif
