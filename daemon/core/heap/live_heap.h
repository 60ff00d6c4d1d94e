/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process holds: each block that was allocated while it was watched and not freed since, and
 * the sums by stack. Looked at once a second, each stack keeps how little it held
 * (floor_history.h): what is freed again does not raise that floor, what is leaked does.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_LIVE_HEAP_H
#define FLAME_DAEMON_CORE_HEAP_LIVE_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "daemon/core/heap/floor_history.h"
#include "daemon/core/history/stack_table.h"

#define LIVE_HEAP_MAX_BLOCKS (1U << 20)
#define LIVE_HEAP_MAX_STACKS (1U << 17) /* that hold any; a kilobyte each after an hour */
#define LIVE_HEAP_MAX_MOVING 256

struct live_heap;

/* What one stack holds; for live_heap_report(). */
struct live_sum {
	uint32_t stack;
	uint64_t bytes; /* in blocks as old as was asked for */
	uint64_t count;
	uint64_t all_bytes; /* of any age */
	uint64_t all_count;
	uint64_t oldest_ns;       /* when the oldest block was allocated */
	uint64_t seen_ns;         /* how long the stack has been looked at */
	struct floor_trend trend; /* bytes */
};

/* stacks is borrowed for the heap's life. */
struct live_heap *live_heap_new(struct stack_table *stacks);
void live_heap_free(struct live_heap *heap);
DEFINE_CLEANUP(live_heap_free, struct live_heap)

/* Forget every block. */
void live_heap_clear(struct live_heap *heap);

/*
 * A thread allocated a block: keeps a reference of its own to stack. It ends what the thread was
 * moving. Returns 1 when a block was there already, whose freeing was missed; -E2BIG when there are
 * too many blocks or stacks.
 */
int live_heap_allocated(struct live_heap *heap, uint32_t tid, uint64_t address, uint64_t size,
			uint32_t stack, uint64_t time_ns);

/* A block was freed. Returns 0 when it was not known (allocated before it was watched), else 1. */
int live_heap_freed(struct live_heap *heap, uint64_t address);

/* Mark a block, if it is known; and forget all that are, as if they had been freed. */
void live_heap_mark(struct live_heap *heap, uint64_t address);
void live_heap_forget_marked(struct live_heap *heap);

/* A thread begins to reallocate a block: it is freed unless live_heap_stayed() follows. */
void live_heap_moving(struct live_heap *heap, uint32_t tid, uint64_t address);
void live_heap_stayed(struct live_heap *heap, uint32_t tid);

/* Once a second: note how little each stack held since the last look. */
void live_heap_look(struct live_heap *heap);

/* Blocks held, and their bytes. */
uint64_t live_heap_count(const struct live_heap *heap);
uint64_t live_heap_bytes(const struct live_heap *heap);

/*
 * Sum up the blocks that were allocated older_ns or longer before now_ns, by stack, into a new array,
 * most bytes first; a stack grows when it does so for that long. Owned (free); stacks are borrowed
 * until the next change.
 */
struct live_sum *live_heap_report(const struct live_heap *heap, uint64_t now_ns, uint64_t older_ns,
				  size_t *count);

#endif
