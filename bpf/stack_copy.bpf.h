/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Sends the stack behind a walk that met a module without tables: stack_copy_send(). It happens
 * for the few samples between the first sight of a file and the moment its tables are in force.
 */
#ifndef FLAME_BPF_STACK_COPY_BPF_H
#define FLAME_BPF_STACK_COPY_BPF_H

#include "bpf/mapping.bpf.h"
#include "bpf/stack_copy.h"

#define MAPPING_STEPS 512 /* mappings and gaps between them that are looked at */

struct stack_copy {
	struct record_stack record;
	__u8 bytes[STACK_COPY_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stack_copy);
} stack_copies SEC(".maps") __weak;

/* Of this CPU. */
static __always_inline struct stack_copy *stack_copy_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stack_copies, &zero);
}

/* Note the mapping at scratch->walk_at, or the gap, and go on behind it; non-zero at the end. */
__weak __noinline int stack_copy_mapping(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);
	struct stack_copy *copy = stack_copy_get();

	if (!scratch || !copy || mapping_in_tables)
		return 1;
	scratch->range_end = 0;
	if (!mapping_descend(slot, scratch, scratch->next_mapping)) {
		__u32 number = copy->record.mapping_count;

		if (number >= STACK_COPY_MAPPINGS)
			return 1;
		copy->record.mappings[number] = scratch->found;
		copy->record.mapping_count = number + 1;
	}
	/* No end, or one that lies before: the last range, or a node that was replaced. */
	if (scratch->range_end < scratch->next_mapping || scratch->range_end == ~0ULL)
		return 1;
	scratch->next_mapping = scratch->range_end + 1;
	return 0;
}

/* List the mappings of code. */
__weak __noinline int stack_copy_mappings(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);

	if (!scratch)
		return 0;
	scratch->next_mapping = 0;
	for (__u32 i = 0; i < MAPPING_STEPS; i++) {
		if (stack_copy_mapping(slot))
			break;
	}
	return 0;
}

/* Copy the stack from start on; returns the number of bytes. */
__weak __noinline int stack_copy_bytes(__u64 start)
{
	struct stack_copy *copy = stack_copy_get();
	__u32 size = 0;

	if (!copy)
		return 0;
	for (__u32 i = 0; i < STACK_COPY_BYTES / STACK_COPY_CHUNK; i++) {
		size = i * STACK_COPY_CHUNK;
		if (bpf_probe_read_user(&copy->bytes[size], STACK_COPY_CHUNK,
					(const void *)(start + size)))
			return (int)size;
	}
	return STACK_COPY_BYTES;
}

/* Send what is needed to finish the walk of the sample in scratch. */
__weak __noinline int stack_copy_send(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);
	struct stack_copy *copy = stack_copy_get();
	__u32 size;

	if (!scratch || !copy)
		return 0;
	copy->record.mapping_count = 0;
	stack_copy_mappings(slot);
	size = (__u32)stack_copy_bytes(scratch->frame.sp - STACK_COPY_BELOW);
	if (size > STACK_COPY_BYTES)
		size = STACK_COPY_BYTES;

	struct record_stack *record = &copy->record;

	record->header.type = RECORD_STACK;
	record->header.size = sizeof(*record) + size;
	record->time_ns = scratch->sample.time_ns;
	record->cpu = scratch->sample.cpu;
	record->frame_count = scratch->sample.user_count;
	record->frame = scratch->frame;
	record->address = scratch->frame.sp - STACK_COPY_BELOW;
	record->size = size;
	if (bpf_ringbuf_output(&records, record, sizeof(*record) + size, BPF_RB_NO_WAKEUP)) {
		count(KERNEL_COUNTER_LOST_RECORDS);
		return 0;
	}
	scratch->sample.flags |= SAMPLE_STACK_COPIED;
	return 0;
}

#endif
