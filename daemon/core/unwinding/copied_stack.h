/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks a user stack that was copied out of its process, by the same rows and with the same step as
 * the kernel programs walk the living one (bpf/unwind_step.h). A walk that comes to a module which
 * is still being read stops there, and goes on later.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_COPIED_STACK_H
#define FLAME_DAEMON_CORE_UNWINDING_COPIED_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "bpf/unwind_step.h"
#include "common/memory.h"

struct module_table;

/* All the memory there is, and what code was mapped; borrowed for the walk. */
struct copied_stack {
	uint64_t address; /* of the first byte */
	const uint8_t *bytes;
	size_t size;
	const struct mapping *mappings; /* by start, not overlapping */
	size_t mapping_count;
};

/* The place that a walk has come to. */
struct copied_walk {
	struct unwind_frame frame;
	int is_placed; /* the frame is in the sample already */
};

/* Begin with what the registers (enum saved_register) say. */
void copied_walk_start(struct copied_walk *walk, const uint64_t registers[SAVED_COUNT]);

/*
 * Walk on, and write the frames behind those that are in sample, which has room for all that it may
 * have. Returns enum walk_end. Errors: -EAGAIN when the tables of the next module are not there yet.
 */
must_check int copied_walk_go_on(struct copied_walk *walk, const struct copied_stack *stack,
				 const struct module_table *modules, struct record_sample *sample);

#endif
