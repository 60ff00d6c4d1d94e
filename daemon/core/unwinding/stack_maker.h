/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the frames of a sample become: a stack of the stack table, all of whose frames are (module,
 * offset), with marks for what is missing and what was waited for. Between the walks and the history.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_STACK_MAKER_H
#define FLAME_DAEMON_CORE_UNWINDING_STACK_MAKER_H

#include <stdint.h>

#include "bpf/record.h"
#include "common/frame.h"

struct jit_maps;
struct process_table;
struct stack_table;
struct waker_names;

/* All borrowed. */
struct stack_maker {
	struct stack_table *stacks;
	struct process_table *processes;
	struct jit_maps *jit_maps;
	struct waker_names *waker_names;
};

/*
 * Return the stack of a sample of thread, with one reference to it: what was waited for (leaf, or
 * FRAME_MARK_NONE), kernel on top of user, a mark at the root when the stack is not whole.
 */
uint32_t stack_maker_add(const struct stack_maker *maker, uint32_t thread,
			 const struct record_sample *sample, enum frame_mark leaf);

/*
 * Return the stack of a sleep with its waker's on top, the other way round, with one reference to
 * it: the two meet where the one wakes the other.
 */
uint32_t stack_maker_add_waker(const struct stack_maker *maker, const struct record_sample *waker,
			       uint32_t sleep_thread, uint32_t sleep_stack);

#endif
