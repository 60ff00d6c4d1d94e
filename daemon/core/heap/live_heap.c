/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/live_heap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hashmap.h"
#include "common/memory.h"

#define NONE UINT32_MAX

struct block {
	uint64_t address; /* of an unused one: the number of the next unused one */
	uint64_t size;
	uint64_t time_ns;
	uint32_t sum;
	uint16_t is_used;
	uint16_t is_marked;
};

/* The blocks of one stack. */
struct sum {
	uint32_t stack; /* STACK_NONE with is_used 0: not in use */
	uint32_t is_used;
	uint64_t bytes;
	uint64_t count;
	uint64_t floor; /* least bytes since the last look, and most */
	uint64_t peak;
	struct floor_history history;
};

struct moving {
	uint32_t tid;
	struct block block;
};

struct live_heap {
	struct stack_table *stacks;
	struct block *blocks;
	size_t block_capacity;
	uint32_t block_limit; /* blocks beyond were never used */
	uint32_t first_unused;
	struct hashmap block_index;
	struct sum *sums;
	size_t sum_capacity;
	uint32_t sum_limit;
	uint32_t sum_gaps;  /* below the limit, that are not in use */
	uint32_t first_gap; /* no gap has a smaller number */
	struct hashmap sum_index;
	uint64_t bytes;
	uint64_t count;
	struct moving moving[LIVE_HEAP_MAX_MOVING];
	uint32_t moving_count;
};

struct live_heap *live_heap_new(struct stack_table *stacks)
{
	struct live_heap *heap = memory_new(sizeof(*heap));

	heap->stacks = stacks;
	heap->first_unused = NONE;
	return heap;
}

void live_heap_clear(struct live_heap *heap)
{
	for (uint32_t i = 0; i < heap->sum_limit; i++) {
		floor_history_fini(&heap->sums[i].history);
		if (heap->sums[i].is_used)
			stack_table_release(heap->stacks, heap->sums[i].stack);
	}
	hashmap_fini(&heap->block_index);
	hashmap_fini(&heap->sum_index);
	heap->block_limit = heap->sum_limit = heap->sum_gaps = heap->first_gap = 0;
	heap->moving_count = 0;
	heap->first_unused = NONE;
	heap->bytes = heap->count = 0;
}

void live_heap_free(struct live_heap *heap)
{
	if (!heap)
		return;
	live_heap_clear(heap);
	free(heap->blocks);
	free(heap->sums);
	free(heap);
}

static uint32_t find_block(const struct live_heap *heap, uint64_t address)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&heap->block_index, hash_u64(address), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&heap->block_index, &cursor))
		if (heap->blocks[i].address == address)
			return i;
	return NONE;
}

static uint32_t find_sum(struct live_heap *heap, uint32_t stack)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&heap->sum_index, hash_u64(stack), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&heap->sum_index, &cursor))
		if (heap->sums[i].stack == stack)
			return i;
	return NONE;
}

/* Sums that go leave a gap, which the next new one fills. NONE: there are too many. */
static uint32_t get_sum(struct live_heap *heap, uint32_t stack)
{
	uint32_t number = find_sum(heap, stack);

	if (number != NONE)
		return number;
	if (heap->sum_limit - heap->sum_gaps == LIVE_HEAP_MAX_STACKS)
		return NONE;
	for (number = heap->sum_gaps ? heap->first_gap : heap->sum_limit;
	     number < heap->sum_limit && heap->sums[number].is_used;)
		number++;
	if (number < heap->sum_limit) {
		heap->sum_gaps--;
		heap->first_gap = number + 1;
	} else {
		heap->sums = memory_grow(heap->sums, &heap->sum_capacity, ++heap->sum_limit,
					 sizeof(*heap->sums));
	}
	stack_table_keep(heap->stacks, stack);
	/* The second in which it came begins with what it holds at the end. */
	heap->sums[number] = (struct sum){.stack = stack, .is_used = 1, .floor = UINT64_MAX};
	hashmap_add(&heap->sum_index, hash_u64(stack), number);
	return number;
}

static uint32_t new_block(struct live_heap *heap)
{
	uint32_t number = heap->first_unused;

	if (number != NONE) {
		heap->first_unused = (uint32_t)heap->blocks[number].address;
		return number;
	}
	number = heap->block_limit++;
	heap->blocks = memory_grow(heap->blocks, &heap->block_capacity, heap->block_limit,
				   sizeof(*heap->blocks));
	return number;
}

static void add_block(struct live_heap *heap, const struct block *block)
{
	uint32_t number = new_block(heap);
	struct sum *sum = &heap->sums[block->sum];

	heap->blocks[number] = *block;
	hashmap_add(&heap->block_index, hash_u64(block->address), number);
	sum->bytes += block->size;
	sum->count++;
	if (sum->bytes > sum->peak)
		sum->peak = sum->bytes;
	heap->bytes += block->size;
	heap->count++;
}

static void remove_block(struct live_heap *heap, uint32_t number)
{
	struct block *block = &heap->blocks[number];
	struct sum *sum = &heap->sums[block->sum];

	sum->bytes -= block->size;
	sum->count--;
	if (sum->bytes < sum->floor)
		sum->floor = sum->bytes;
	heap->bytes -= block->size;
	heap->count--;
	hashmap_remove(&heap->block_index, hash_u64(block->address), number);
	*block = (struct block){.address = heap->first_unused};
	heap->first_unused = number;
}

static struct moving *find_moving(struct live_heap *heap, uint32_t tid)
{
	for (uint32_t i = 0; i < heap->moving_count; i++)
		if (heap->moving[i].tid == tid)
			return &heap->moving[i];
	return NULL;
}

static void forget_moving(struct live_heap *heap, uint32_t tid)
{
	struct moving *moving = find_moving(heap, tid);

	if (moving)
		*moving = heap->moving[--heap->moving_count];
}

int live_heap_allocated(struct live_heap *heap, uint32_t tid, uint64_t address, uint64_t size,
			uint32_t stack, uint64_t time_ns)
{
	uint32_t before = find_block(heap, address);
	struct block block = {.address = address, .size = size, .time_ns = time_ns, .is_used = 1};

	forget_moving(heap, tid);
	if (before != NONE)
		remove_block(heap, before);
	if (heap->count == LIVE_HEAP_MAX_BLOCKS)
		return -E2BIG;
	block.sum = get_sum(heap, stack);
	if (block.sum == NONE)
		return -E2BIG;
	add_block(heap, &block);
	return before != NONE;
}

int live_heap_freed(struct live_heap *heap, uint64_t address)
{
	uint32_t number = find_block(heap, address);

	if (number == NONE)
		return 0;
	remove_block(heap, number);
	return 1;
}

void live_heap_mark(struct live_heap *heap, uint64_t address)
{
	uint32_t number = find_block(heap, address);

	if (number != NONE)
		heap->blocks[number].is_marked = 1;
}

void live_heap_forget_marked(struct live_heap *heap)
{
	for (uint32_t i = 0; i < heap->block_limit; i++)
		if (heap->blocks[i].is_used && heap->blocks[i].is_marked)
			remove_block(heap, i);
}

void live_heap_moving(struct live_heap *heap, uint32_t tid, uint64_t address)
{
	uint32_t number = find_block(heap, address);

	forget_moving(heap, tid);
	if (number == NONE)
		return;
	if (heap->moving_count < LIVE_HEAP_MAX_MOVING)
		heap->moving[heap->moving_count++] = (struct moving){tid, heap->blocks[number]};
	remove_block(heap, number);
}

void live_heap_stayed(struct live_heap *heap, uint32_t tid)
{
	struct moving *moving = find_moving(heap, tid);

	/* Another thread cannot have got the address: the block was never given back. */
	if (moving && heap->sums[moving->block.sum].is_used)
		add_block(heap, &moving->block);
	forget_moving(heap, tid);
}

static int is_being_moved(const struct live_heap *heap, uint32_t number)
{
	for (uint32_t i = 0; i < heap->moving_count; i++)
		if (heap->moving[i].block.sum == number)
			return 1;
	return 0;
}

void live_heap_look(struct live_heap *heap)
{
	for (uint32_t i = 0; i < heap->sum_limit; i++) {
		struct sum *sum = &heap->sums[i];

		if (!sum->is_used)
			continue;
		if (!sum->count && !is_being_moved(heap, i)) {
			hashmap_remove(&heap->sum_index, hash_u64(sum->stack), i);
			stack_table_release(heap->stacks, sum->stack);
			floor_history_fini(&sum->history);
			*sum = (struct sum){.stack = STACK_NONE};
			heap->sum_gaps++;
			if (i < heap->first_gap)
				heap->first_gap = i;
			continue;
		}
		floor_history_add(&sum->history, sum->floor < sum->bytes ? sum->floor : sum->bytes,
				  sum->peak);
		sum->floor = sum->peak = sum->bytes;
	}
}

uint64_t live_heap_count(const struct live_heap *heap)
{
	return heap->count;
}

uint64_t live_heap_bytes(const struct live_heap *heap)
{
	return heap->bytes;
}

static int compare_sums(const void *one, const void *other)
{
	const struct live_sum *a = one, *b = other;

	return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

struct live_sum *live_heap_report(const struct live_heap *heap, uint64_t now_ns, uint64_t older_ns,
				  size_t *count)
{
	uint64_t before_ns = now_ns > older_ns ? now_ns - older_ns : 0;
	struct live_sum *results = memory_new((heap->sum_limit + 1) * sizeof(*results));
	size_t kept = 0;

	for (uint32_t i = 0; i < heap->block_limit; i++) {
		const struct block *block = &heap->blocks[i];
		struct live_sum *result = &results[block->sum];

		if (!block->is_used)
			continue;
		if (!result->oldest_ns || block->time_ns < result->oldest_ns)
			result->oldest_ns = block->time_ns;
		if (block->time_ns > before_ns)
			continue;
		result->bytes += block->size;
		result->count++;
	}
	for (uint32_t i = 0; i < heap->sum_limit; i++) {
		const struct sum *sum = &heap->sums[i];

		if (!sum->count)
			continue;
		results[i].stack = sum->stack;
		results[i].all_bytes = sum->bytes;
		results[i].all_count = sum->count;
		results[i].seen_ns = sum->history.looks * NS_PER_SECOND;
		results[i].trend = floor_history_trend(
			&sum->history, (older_ns + NS_PER_SECOND - 1) / NS_PER_SECOND);
		results[kept++] = results[i];
	}
	qsort(results, kept, sizeof(*results), compare_sums);
	*count = kept;
	return results;
}
