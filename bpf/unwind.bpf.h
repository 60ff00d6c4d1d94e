/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * The user stack of the current task: unwind_user() writes frames that name their file behind the
 * kernel frames of the sample, and says how the walk ended. Each pc is looked up twice: which file
 * it is in (mapping.bpf.h), and which rule is in force there (unwind_table.h); the rule then gives
 * the caller (unwind_step.h). Code without rules is stepped by frame pointer: what a compiler makes
 * at run time, and gaps between functions.
 */
#ifndef FLAME_BPF_UNWIND_BPF_H
#define FLAME_BPF_UNWIND_BPF_H

#include "bpf/identity.bpf.h"
#include "bpf/mapping.bpf.h"

/* Of uprobes; bytes, but for the calls, which are those of a thread whose return is probed. */
#define PROBED_BYTES  16 /* that an instruction has where it is run in place of the probed one */
#define PROBED_PUSHED 64 /* of stack that the code which functions return to may use */
#define PROBED_CALLS  64

/* The shard that a place is in. */
static __always_inline const struct unwind_shard *unwind_shard_get(__u32 place)
{
	__u32 number = place >> UNWIND_SHARD_BITS, zero = 0;
	void *map = bpf_map_lookup_elem(&unwind_shards, &number);

	return map ? bpf_map_lookup_elem(map, &zero) : NULL;
}

/* Where the rule for a place in a file is kept if it is known. */
static __always_inline struct known_rule *known_rule_get(struct scratch *scratch, __u32 load,
							 __u32 offset)
{
	__u32 hash = (offset ^ load << 20) * 0x9e3779b1U;

	return &scratch->known[hash / (0xffffffffU / SCRATCH_RULES + 1) & (SCRATCH_RULES - 1)];
}

/*
 * Find the rule for an offset in the file of a module that has rows, and keep it as known. Returns 0,
 * or WALK_NO_RULE.
 */
__weak __noinline int unwind_rule_find(__u32 slot, __u32 module, __u32 offset)
{
	const struct unwind_module *entry = bpf_map_lookup_elem(&unwind_modules, &module);
	__u32 page = offset >> UNWIND_PAGE_BITS, index, place;
	struct scratch *scratch = scratch_get(slot);
	const struct unwind_slice *slice;
	const struct unwind_shard *shard;
	struct known_rule *known;

	if (!scratch || !entry || page < entry->first_page ||
	    page - entry->first_page >= entry->page_count)
		return WALK_NO_RULE;
	index = entry->first_slice + page - entry->first_page;
	slice = bpf_map_lookup_elem(&unwind_slices, &index);
	if (!slice || !slice->count)
		return WALK_NO_RULE;
	shard = unwind_shard_get(slice->block);
	if (!shard)
		return WALK_NO_RULE;
	place = unwind_block_find(shard->words, UNWIND_SHARD_WORDS - 1, slice->block * 8,
				  slice->count, offset);
	if (place == UNWIND_RULE_NONE)
		return WALK_NO_RULE;
	place += entry->rules;
	shard = unwind_shard_get(place);
	if (!shard)
		return WALK_NO_RULE;
	known = known_rule_get(scratch, entry->load, offset);
	known->load = entry->load;
	known->offset = offset;
	known->rule = shard->rules[place & (UNWIND_SHARD_CELLS - 1)];
	return 0;
}

/*
 * A leaf without a rule may be in a gap where nothing has been pushed: if the word at sp follows a
 * call, it is the return address. Non-zero when the step was done.
 */
__weak __noinline int unwind_step_gap(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);
	__u8 code[8] = {0};
	__u64 pc;

	/* From outside the code cannot be read. Whether it is code at all the next look-up says. */
	if (!scratch || scratch->is_outside || unwind_read(scratch, scratch->frame.sp, &pc, 1) ||
	    bpf_probe_read_user(code, CALL_MAX_BYTES, (const void *)(pc - CALL_MAX_BYTES)) ||
	    !unwind_is_behind_call(code))
		return 0;
	scratch->frame.pc = pc;
	scratch->frame.sp += UNWIND_WORD;
	scratch->frame.is_exact = 0;
	scratch->frame.is_leaf = 0;
	return 1;
}

/* Step out of code without a rule, why there is none being the end if that fails. */
static __always_inline int unwind_step_without(__u32 slot, struct scratch *scratch, int why)
{
	int is_file = scratch->found_module != MODULE_NONE;
	__u32 depth = scratch->depth;
	int end;

	if (is_file && scratch->frame.is_leaf && unwind_step_gap(slot))
		return UNWIND_GOES_ON;
	end = unwind_step_pointer(scratch, &scratch->frame);
	if (end == UNWIND_GOES_ON)
		return end;
	/* Zero ends a chain of frame pointers, if there was one: compiled code may use the register */
	/* for anything. Only in a file without rules, as ld.so's entry, is it a root at once. */
	if (end == WALK_ROOT && !is_file && depth <= 2)
		return WALK_FRAME_POINTER;
	return end == WALK_ROOT ? WALK_ROOT : is_file ? why : WALK_FRAME_POINTER;
}

/* Step out of a file: by the rule for the place, or without one. */
static __always_inline int unwind_step_file(__u32 slot, struct scratch *scratch, __u32 module,
					    __u64 offset)
{
	const struct unwind_module *entry = bpf_map_lookup_elem(&unwind_modules, &module);
	const struct known_rule *known;

	if (!entry || entry->state == UNWIND_MODULE_ABSENT)
		return WALK_NO_TABLE;
	/* Rows reach no further than 4 GiB. */
	if (entry->state == UNWIND_MODULE_BARE || offset >> 32)
		return unwind_step_without(slot, scratch, WALK_NO_RULE);
	known = known_rule_get(scratch, entry->load, (__u32)offset);
	if ((known->load != entry->load || known->offset != (__u32)offset) &&
	    unwind_rule_find(slot, module, (__u32)offset))
		return unwind_step_without(slot, scratch, WALK_NO_RULE);
	return unwind_step_rule(scratch, &scratch->frame, &known->rule);
}

/*
 * Where the frame of the current task really is, if it seems to be in the page that uprobes use: there
 * probed instructions are run, and there functions return whose return is probed. Non-zero when that
 * was so, and the frame has been put right.
 */
__weak __noinline int unwind_probed(__u32 slot)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct scratch *scratch = scratch_get(slot);
	struct return_instance *call;
	struct uprobe_task *probed;
	__u64 place;

	if (!scratch || !bpf_core_field_exists(task->utask))
		return 0;
	probed = BPF_CORE_READ(task, utask);
	if (!probed)
		return 0;
	call = BPF_CORE_READ(probed, return_instances);
	if (scratch->frame.is_leaf) {
		place = scratch->frame.pc - BPF_CORE_READ(probed, xol_vaddr);
		if (place < PROBED_BYTES) {
			scratch->frame.pc = BPF_CORE_READ(probed, vaddr) + place;
			return 1;
		}
		/* The function has returned already, to what tells the kernel so. */
		place = BPF_CORE_READ(call, stack) + UNWIND_WORD;
		if (!call || place - scratch->frame.sp > PROBED_PUSHED)
			return 0;
		scratch->frame.pc = BPF_CORE_READ(call, orig_ret_vaddr);
		scratch->frame.sp = place;
		scratch->frame.is_exact = 0;
		scratch->frame.is_leaf = 0;
		return 1;
	}
	for (int i = 0; i < PROBED_CALLS && call; i++) {
		if (BPF_CORE_READ(call, stack) == scratch->frame.sp - UNWIND_WORD) {
			place = BPF_CORE_READ(call, orig_ret_vaddr);
			if (place == scratch->frame.pc)
				return 0;
			scratch->frame.pc = place;
			return 1;
		}
		call = BPF_CORE_READ(call, next);
	}
	return 0;
}

/*
 * Write the frame that the walk has come to and move on to its caller. Returns UNWIND_GOES_ON, or
 * how the walk ends.
 */
__weak __noinline int unwind_advance(__u32 slot)
{
	struct scratch *scratch = scratch_get(slot);
	struct mapping_set *set;
	struct mapping *mapping;
	__u64 pc, place;
	int index, is_32_bit;

	if (!scratch)
		return WALK_UNREADABLE;
	pc = unwind_lookup_pc(&scratch->frame);
	/* Most callers are in the file that the frame before is in. */
	set = mapping_set_get(scratch);
	mapping = &set->mappings[set->last & (SCRATCH_MAPPINGS - 1)];
	if (pc - mapping->start >= mapping->end - mapping->start) {
		index = mapping_find(slot, pc);
		/* Before the first byte of the page for probes, to which functions return. */
		if (index < 0 && !scratch->is_outside && unwind_probed(slot))
			return UNWIND_GOES_ON;
		if (index < 0) {
			/* The leaf is where it is, a caller that is nowhere is none. */
			if (!scratch->depth)
				scratch->frames[(scratch->sample.kernel_count + scratch->depth++) &
						(SCRATCH_FRAMES - 1)] = pc & FRAME_OFFSET_MASK;
			return WALK_UNMAPPED;
		}
		set->last = (__u32)index;
		mapping = &set->mappings[index & (SCRATCH_MAPPINGS - 1)];
	}
	if (mapping->module == MODULE_NONE && !scratch->is_outside && unwind_probed(slot))
		return UNWIND_GOES_ON;
	is_32_bit = scratch->saved[SAVED_CS] == CS_32_BIT;
	/* The vdso of such a process is another one. */
	place = is_32_bit && mapping->module == MODULE_VDSO ? pc & FRAME_OFFSET_MASK
							    : mapping_frame(mapping, pc);
	scratch->found_module = mapping->module;
	scratch->frames[(scratch->sample.kernel_count + scratch->depth) & (SCRATCH_FRAMES - 1)] =
		place;
	scratch->depth++;
	/* Its stack is laid out in another way, but where it is can be told. */
	if (is_32_bit)
		return WALK_UNSUPPORTED;
	if (mapping->module == MODULE_NONE)
		return unwind_step_without(slot, scratch, WALK_FRAME_POINTER);
	return unwind_step_file(slot, scratch, mapping->module, place & FRAME_OFFSET_MASK);
}

/* Walk on from scratch->frame until the end. Returns enum walk_end. */
__weak __noinline int unwind_walk(__u32 slot)
{
	for (int i = 0; i < RECORD_USER_FRAMES; i++) {
		int end = unwind_advance(slot);

		if (end != UNWIND_GOES_ON)
			return end;
	}
	return WALK_TRUNCATED;
}

/* Begin with what the registers say. */
static __always_inline void unwind_start(struct scratch *scratch)
{
	struct unwind_frame *frame = &scratch->frame;

	UNWIND_COPY_REGISTERS(frame->registers, scratch->saved);
	frame->pc = scratch->saved[SAVED_RIP];
	frame->sp = scratch->saved[SAVED_RSP];
	frame->fp = scratch->saved[SAVED_RBP];
	frame->rbx_address = 0;
	frame->is_exact = 1;
	frame->is_leaf = 1;
	frame->keeps_rbx = 1;
	scratch->depth = 0;
}

/* Read the registers of user mode and get ready to walk; 0, or how the walk ends at once. */
static __always_inline int unwind_prepare(struct scratch *scratch, struct task_struct *task)
{
	scratch->sample.user_count = 0;
	scratch->task = (__u64)task;
	scratch->mm = (__u64)task->mm;
	if (!scratch->mm)
		return WALK_NO_MEMORY;
	mapping_start(scratch, task);
	scratch->stack_from = NO_ADDRESS; /* what was read for an earlier walk is no more */
	/* Whether it runs or is in the kernel: user mode was left with these registers. */
	if (bpf_probe_read_kernel(scratch->saved, sizeof(scratch->saved),
				  (const void *)bpf_task_pt_regs(task)))
		return WALK_UNREADABLE;
	return 0;
}

/* Walk from the registers that were read. Returns enum walk_end. */
static __always_inline int unwind_run(__u32 slot, struct scratch *scratch)
{
	int end;

	unwind_start(scratch);
	end = unwind_walk(slot);
	scratch->sample.user_count = (__u16)scratch->depth;
	return end;
}

/*
 * Walk the user stack of the current task into the frames behind the kernel frames of the sample,
 * whose user_count is set. Returns enum walk_end.
 */
static __always_inline int unwind_user(__u32 slot, struct scratch *scratch,
				       struct task_struct *task)
{
	int end = unwind_prepare(scratch, task);

	return end ? end : unwind_run(slot, scratch);
}

/* The same as if the function that was just entered had returned already: its caller is the leaf. */
static __always_inline int unwind_caller(__u32 slot, struct scratch *scratch,
					 struct task_struct *task)
{
	int end = unwind_prepare(scratch, task);

	if (end)
		return end;
	/* Not from the copy of the stack, which is still that of the walk before. */
	if (bpf_probe_read_user(&scratch->saved[SAVED_RIP], sizeof(__u64),
				(const void *)scratch->saved[SAVED_RSP]))
		return WALK_UNREADABLE;
	scratch->saved[SAVED_RSP] += UNWIND_WORD;
	return unwind_run(slot, scratch);
}

/*
 * Walk the stack of the current task now and keep it for samples of this thread that come when it
 * cannot be walked any more: while it runs another program, while it ends.
 */
static __always_inline void unwind_save(__u32 slot, struct task_struct *task)
{
	struct scratch *scratch = scratch_get(slot);
	__u32 tid = tid_of(task);
	struct owner owner = owner_of(task);

	if (!scratch || !task->mm)
		return;
	scratch->sample.kernel_count = 0;
	scratch->pid = pid_of(task);
	scratch->start_time_ns = task->group_leader->start_boottime;

	struct saved_stack *kept = &scratch->kept;

	kept->walk_end = (__u16)unwind_user(slot, scratch, task);
	kept->user_count = scratch->sample.user_count;
	kept->start_time_ns = task->start_boottime;
	kept->owner_uid = owner.uid;
	kept->owner_gid = owner.gid;
	bpf_probe_read_kernel(kept->frames, sizeof(kept->frames), scratch->frames);
	bpf_map_update_elem(&saved_stacks, &tid, kept, BPF_ANY);
}

/* Put the stack that was kept for the current task into the sample, if there is one. */
static __always_inline int unwind_restore(struct scratch *scratch, const struct task_struct *task)
{
	__u32 tid = tid_of(task), first = scratch->sample.kernel_count;
	const struct saved_stack *kept = bpf_map_lookup_elem(&saved_stacks, &tid);

	if (!kept || kept->start_time_ns != task->start_boottime || first > RECORD_KERNEL_FRAMES)
		return 0;
	bpf_probe_read_kernel(&scratch->frames[first], sizeof(kept->frames), kept->frames);
	scratch->sample.user_count = kept->user_count;
	scratch->sample.walk_end = kept->walk_end;
	scratch->sample.owner_uid = kept->owner_uid;
	scratch->sample.owner_gid = kept->owner_gid;
	scratch->sample.flags |= SAMPLE_USER_SAVED;
	return 1;
}

/* Fill in the user stack of the sample, from where it can be had. */
static __always_inline void unwind_sample(__u32 slot, struct scratch *scratch,
					  struct task_struct *task)
{
	struct record_sample *sample = &scratch->sample;
	int is_between = BPF_CORE_READ_BITFIELD(task, in_execve);

	sample->user_count = 0;
	if (task->flags & PF_KTHREAD) {
		sample->walk_end = WALK_NO_USER;
		return;
	}
	if ((is_between || !task->mm) && unwind_restore(scratch, task))
		return;
	sample->walk_end = (__u16)unwind_user(slot, scratch, task);
	if (is_between && sample->walk_end == WALK_UNMAPPED && sample->user_count <= 1) {
		/* The registers are still those of the program that was. */
		sample->user_count = 0;
		sample->walk_end = WALK_EXEC;
	}
}

#endif
