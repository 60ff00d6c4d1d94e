/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sorting stacks level by level: a range of stacks that are equal so far is sorted by the rank of
 * the next frame. One number a stack is moved, never its frames.
 */
#ifndef FLAME_CLIENT_FORMATS_STACK_SORT_H
#define FLAME_CLIENT_FORMATS_STACK_SORT_H

#include <stddef.h>
#include <stdint.h>

/* A stack, with what it is sorted by at the level in hand. */
struct stack_entry {
	uint32_t key;
	uint32_t stack;
};

/* Sort count entries by key (below key_limit), stable; scratch has as much room. */
void stack_sort(struct stack_entry *entries, struct stack_entry *scratch, uint32_t count,
		uint32_t key_limit);

#endif
