/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal stacks stored once: a trie of frame addresses, root first. A stack is the number of its
 * leaf node; nodes are counted references, so what no bucket mentions any more is freed and the
 * table stays as small as the history it serves. 16 bytes a node plus the index.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_STACK_TABLE_H
#define FLAME_DAEMON_CORE_HISTORY_STACK_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"

#define STACK_NONE UINT32_MAX /* the empty stack; parent of a root */

/* Nodes on the way from a leaf to its root at most: a sleep's stack, its waker's, and their marks. */
#define STACK_MAX_DEPTH (2 * (RECORD_USER_FRAMES + RECORD_KERNEL_FRAMES + 3))

struct stack_table;

/* Return an empty table. Owned (stack_table_free). */
struct stack_table *stack_table_new(void);
void stack_table_free(struct stack_table *table);
DEFINE_CLEANUP(stack_table_free, struct stack_table)

/*
 * Return the stack of count addresses (frame.h), leaf first, and count one reference to it; end it
 * with stack_table_release().
 */
uint32_t stack_table_add(struct stack_table *table, const uint64_t *addresses, size_t count);

/* The same for a stack that goes on from another one, base, which is its root end. */
uint32_t stack_table_add_to(struct stack_table *table, uint32_t base, const uint64_t *addresses,
			    size_t count);

/* Count one more reference to stack. */
void stack_table_keep(struct stack_table *table, uint32_t stack);

/* Give back one reference; the last one frees the nodes that no other stack shares. */
void stack_table_release(struct stack_table *table, uint32_t stack);

/* The frame at the leaf of stack, and the stack without it (STACK_NONE at the root). */
uint64_t stack_table_address(const struct stack_table *table, uint32_t stack);
uint32_t stack_table_parent(const struct stack_table *table, uint32_t stack);

/* Call visit with the address of each node in use, in no order. */
void stack_table_visit(const struct stack_table *table,
		       void (*visit)(void *context, uint64_t address), void *context);

/* Node numbers in use are all below this. */
uint32_t stack_table_limit(const struct stack_table *table);

/* Nodes in use. */
uint32_t stack_table_count(const struct stack_table *table);

/* Bytes that the nodes in use stand for. */
size_t stack_table_bytes(const struct stack_table *table);

#endif
