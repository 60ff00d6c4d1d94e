/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/stack_maker.h"

#include <stddef.h>

#include "daemon/core/history/stack_table.h"
#include "daemon/core/names/jit_maps.h"
#include "daemon/core/names/waker_names.h"
#include "daemon/core/processes/process_table.h"

/* The last page of user memory. */
#define UPROBES_PAGE UINT64_C(0x7fffffffe000)

/* What the root end of a stack says when the walk did not reach the root. */
static const enum frame_mark marks[WALK_END_COUNT] = {
	[WALK_TRUNCATED] = FRAME_MARK_TRUNCATED,
	[WALK_NO_RULE] = FRAME_MARK_NO_UNWIND_INFO,
	[WALK_NO_TABLE] = FRAME_MARK_NO_UNWIND_INFO,
	[WALK_UNSUPPORTED] = FRAME_MARK_NO_UNWIND_INFO,
	[WALK_UNREADABLE] = FRAME_MARK_UNREADABLE,
	[WALK_UNMAPPED] = FRAME_MARK_UNMAPPED,
	[WALK_NO_MEMORY] = FRAME_MARK_NO_MEMORY,
	[WALK_EXEC] = FRAME_MARK_EXEC,
	[WALK_FRAME_POINTER] = FRAME_MARK_FRAME_POINTER,
};

static struct process *process_of(const struct stack_maker *maker, uint32_t thread)
{
	return process_table_process(maker->processes,
				     process_table_thread(maker->processes, thread)->process);
}

/*
 * A bare pc means something in its process alone: give it the module of that process. One page is
 * where the kernel runs the instructions that probes have displaced, and where functions return to
 * whose return is probed.
 */
static uint64_t place_pc(const struct stack_maker *maker, uint32_t thread, uint64_t pc)
{
	if (pc >= UPROBES_PAGE)
		return frame_pack(MODULE_MARK, FRAME_MARK_UPROBES);

	struct process *process = process_of(maker, thread);

	if (process->jit_module == MODULE_NONE)
		process->jit_module = jit_maps_add(maker->jit_maps, process);
	return frame_pack(process->jit_module, pc);
}

/*
 * A return address may belong to the function behind the call (when the call does not return), so
 * callers are taken one byte earlier, inside the call; user frames come so already.
 */
static uint64_t inside_call(const struct record_sample *sample, uint32_t i)
{
	int is_caller = i != 0 && i < sample->kernel_count;

	return sample->frames[i] - (uint64_t)is_caller;
}

static enum frame_mark root_mark(const struct record_sample *sample)
{
	return sample->walk_end < WALK_END_COUNT ? marks[sample->walk_end] : FRAME_MARK_NONE;
}

uint32_t stack_maker_add(const struct stack_maker *maker, uint32_t thread,
			 const struct record_sample *sample, enum frame_mark leaf)
{
	uint64_t addresses[RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES + 2];
	size_t count = 0;
	enum frame_mark mark = root_mark(sample);

	if (leaf != FRAME_MARK_NONE)
		addresses[count++] = frame_pack(MODULE_MARK, leaf);
	for (uint32_t i = 0; i < (uint32_t)sample->kernel_count + sample->user_count; i++) {
		uint64_t address = inside_call(sample, i);

		if (frame_module(address) == MODULE_NONE)
			address = place_pc(maker, thread, address);
		addresses[count++] = address;
	}
	if (mark != FRAME_MARK_NONE)
		addresses[count++] = frame_pack(MODULE_MARK, mark);
	return stack_table_add(maker->stacks, addresses, count);
}

/* Whether the one user that may look into both processes is the same. */
static int is_foreign(const struct record_sample *waker, const struct process *sleeper)
{
	return waker->owner_uid == RECORD_NO_OWNER || waker->owner_uid != sleeper->owner_uid ||
	       waker->owner_gid != sleeper->owner_gid;
}

uint32_t stack_maker_add_waker(const struct stack_maker *maker, const struct record_sample *waker,
			       uint32_t sleep_thread, uint32_t sleep_stack)
{
	const struct process *process = process_of(maker, sleep_thread);
	uint64_t addresses[RECORD_KERNEL_FRAMES + RECORD_USER_FRAMES + 3];
	uint32_t frames = (uint32_t)waker->kernel_count + waker->user_count;
	int is_interrupt = (waker->flags & SAMPLE_INTERRUPT) != 0;
	int is_hidden = !is_interrupt && is_foreign(waker, process);
	size_t count = 0;

	addresses[count++] = is_interrupt
				     ? frame_pack(MODULE_MARK, FRAME_MARK_INTERRUPT)
				     : waker_names_frame(maker->waker_names, waker->thread_name);
	if (root_mark(waker) != FRAME_MARK_NONE)
		addresses[count++] = frame_pack(MODULE_MARK, root_mark(waker));
	for (uint32_t i = frames; i-- > 0;) {
		uint64_t address = inside_call(waker, i);

		/* Another process's names may be gone before this stack is. */
		if (frame_module(address) == MODULE_NONE && waker->pid == process->pid)
			address = place_pc(maker, sleep_thread, address);
		addresses[count++] = address;
	}
	addresses[count++] =
		frame_pack(MODULE_MARK, is_hidden ? FRAME_MARK_FOREIGN_WAKER : FRAME_MARK_WAKER);
	return stack_table_add_to(maker->stacks, sleep_stack, addresses, count);
}
