/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buckets sit in a circular array of slots, bucket number modulo the slot count, where the number
 * is time divided by length. Only buckets that can still grow have an index over their rows; it is
 * dropped, and the rows cut to size, when a bucket closes. A sample that comes after that adds a
 * row of its own, which is correct too: readers sum equal rows.
 */
#include "daemon/core/history/bucket_ring.h"

#include <errno.h>
#include <stdlib.h>

#include "common/hashmap.h"
#include "common/memory.h"

#define OPEN_BUCKETS 3 /* that keep an index: samples arrive within the drain interval */

struct slot {
	struct bucket *bucket; /* NULL: nothing recorded */
	struct hashmap index;
};

struct bucket_ring {
	uint64_t bucket_ns;
	uint64_t retention_ns;
	size_t memory_bytes;
	struct stack_table *stacks;
	struct process_table *processes;
	struct slot *slots;
	uint64_t slot_count;
	uint64_t oldest; /* bucket number: the first that is held */
	uint64_t newest; /* the last that was written to */
	size_t row_bytes;
	uint32_t held;
	int short_of_memory;
};

struct bucket_ring *bucket_ring_new(uint64_t bucket_ns, uint64_t retention_ns, size_t memory_bytes,
				    struct stack_table *stacks, struct process_table *processes,
				    uint64_t now_ns)
{
	struct bucket_ring *ring = memory_new(sizeof(*ring));
	/* One for the bucket that is being filled and one because windows do not align. */
	uint64_t count = retention_ns / bucket_ns + 2;

	ring->bucket_ns = bucket_ns;
	ring->retention_ns = retention_ns;
	ring->memory_bytes = memory_bytes;
	ring->stacks = stacks;
	ring->processes = processes;
	ring->slot_count = count < BUCKET_RING_MAX_BUCKETS ? count : BUCKET_RING_MAX_BUCKETS;
	ring->slots = memory_new(ring->slot_count * sizeof(*ring->slots));
	ring->oldest = ring->newest = now_ns / bucket_ns;
	return ring;
}

static struct slot *slot_of(const struct bucket_ring *ring, uint64_t number)
{
	return &ring->slots[number % ring->slot_count];
}

static void drop_bucket(struct bucket_ring *ring, uint64_t number)
{
	struct slot *slot = slot_of(ring, number);
	struct bucket *bucket = slot->bucket;

	if (!bucket)
		return;
	for (uint32_t i = 0; i < bucket->row_count; i++) {
		process_table_release(ring->processes, bucket->rows[i].thread);
		stack_table_release(ring->stacks, bucket->rows[i].stack);
	}
	ring->row_bytes -= bucket->row_capacity * sizeof(struct bucket_row) + sizeof(*bucket) +
			   hashmap_bytes(&slot->index);
	hashmap_fini(&slot->index);
	free(bucket->rows);
	free(bucket);
	slot->bucket = NULL;
	ring->held--;
}

void bucket_ring_free(struct bucket_ring *ring)
{
	if (!ring)
		return;
	for (uint64_t number = ring->oldest; number <= ring->newest; number++)
		drop_bucket(ring, number);
	free(ring->slots);
	free(ring);
}

/* Nothing more is expected in this bucket: keep the rows alone. */
static void close_bucket(struct bucket_ring *ring, uint64_t number)
{
	struct slot *slot = slot_of(ring, number);
	struct bucket *bucket = slot->bucket;

	if (!bucket || !slot->index.slots)
		return;
	ring->row_bytes -= hashmap_bytes(&slot->index) +
			   (bucket->row_capacity - bucket->row_count) * sizeof(struct bucket_row);
	hashmap_fini(&slot->index);
	bucket->row_capacity = bucket->row_count;
	bucket->rows = memory_resize(bucket->rows, bucket->row_count, sizeof(struct bucket_row));
}

/* Make number the newest bucket, dropping what falls off the other end. */
static void advance(struct bucket_ring *ring, uint64_t number)
{
	uint64_t open = ring->newest < OPEN_BUCKETS ? 0 : ring->newest - OPEN_BUCKETS + 1;

	for (; open <= ring->newest && open + OPEN_BUCKETS <= number; open++)
		if (open >= ring->oldest)
			close_bucket(ring, open);
	if (number - ring->oldest >= ring->slot_count) {
		uint64_t first = number - ring->slot_count + 1;

		while (ring->oldest < first && ring->oldest <= ring->newest)
			drop_bucket(ring, ring->oldest++);
		ring->oldest = first;
	}
	ring->newest = number;
}

static struct slot *open_slot(struct bucket_ring *ring, uint64_t time_ns)
{
	uint64_t number = time_ns / ring->bucket_ns;

	if (number < ring->oldest)
		return NULL;
	if (number > ring->newest)
		advance(ring, number);
	struct slot *slot = slot_of(ring, number);
	if (!slot->bucket) {
		slot->bucket = memory_new(sizeof(*slot->bucket));
		slot->bucket->start_ns = number * ring->bucket_ns;
		ring->row_bytes += sizeof(*slot->bucket);
		ring->held++;
	}
	return slot;
}

static int is_open(const struct bucket_ring *ring, const struct bucket *bucket)
{
	return bucket->start_ns / ring->bucket_ns + OPEN_BUCKETS > ring->newest;
}

static struct bucket_row *find_row(const struct slot *slot, uint32_t event, uint32_t thread,
				   uint32_t stack, uint32_t hash)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&slot->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&slot->index, &cursor)) {
		struct bucket_row *row = &slot->bucket->rows[i];

		if (row->event == event && row->thread == thread && row->stack == stack)
			return row;
	}
	return NULL;
}

static struct bucket_row *new_row(struct bucket_ring *ring, struct slot *slot, uint32_t hash)
{
	struct bucket *bucket = slot->bucket;
	size_t before =
		bucket->row_capacity * sizeof(struct bucket_row) + hashmap_bytes(&slot->index);
	uint32_t number = bucket->row_count++;

	bucket->rows = memory_grow(bucket->rows, &bucket->row_capacity, bucket->row_count,
				   sizeof(struct bucket_row));
	if (is_open(ring, bucket))
		hashmap_add(&slot->index, hash, number);
	ring->row_bytes += bucket->row_capacity * sizeof(struct bucket_row) +
			   hashmap_bytes(&slot->index) - before;
	return &bucket->rows[number];
}

/* The row of a bucket for these, added when new. Takes the references. */
static struct bucket_row *get_row(struct bucket_ring *ring, struct slot *slot, uint32_t event,
				  uint32_t thread, uint32_t stack)
{
	uint32_t hash = hash_u64((uint64_t)thread << 32 ^ (uint64_t)stack << 3 ^ event);
	struct bucket_row *row = find_row(slot, event, thread, stack, hash);

	if (row) {
		process_table_release(ring->processes, thread);
		stack_table_release(ring->stacks, stack);
		return row;
	}
	row = new_row(ring, slot, hash);
	*row = (struct bucket_row){.thread = thread, .stack = stack, .event = event};
	return row;
}

int bucket_ring_add(struct bucket_ring *ring, uint64_t time_ns, uint32_t event, uint32_t thread,
		    uint32_t stack, uint64_t weight)
{
	struct slot *slot = open_slot(ring, time_ns);

	if (!slot)
		return -ETIME;
	struct bucket_row *row = get_row(ring, slot, event, thread, stack);
	row->count++;
	row->weight += weight;
	row->variance += (double)weight * (double)weight;
	return 0;
}

static void add_measure(struct bucket_row *row, const struct bucket_measure *measure)
{
	row->count += measure->count;
	row->weight += measure->weight;
	row->variance += measure->variance;
	row->certain += (float)measure->certain;
	if ((float)measure->largest > row->largest)
		row->largest = (float)measure->largest;
}

/* Take a share of what is left of a measure; the last share is the rest, so nothing is rounded off. */
static struct bucket_measure take_share(struct bucket_measure *rest, double share)
{
	struct bucket_measure part = {
		.count = share >= 1 ? rest->count : 0,
		.weight = share >= 1 ? rest->weight : (uint64_t)((double)rest->weight * share),
		.variance = rest->variance * share,
		.certain = rest->certain * share,
		.largest = rest->largest,
	};

	rest->count -= part.count;
	rest->weight -= part.weight;
	rest->variance -= part.variance;
	rest->certain -= part.certain;
	return part;
}

void bucket_ring_spread(struct bucket_ring *ring, uint64_t from_ns, uint64_t to_ns, uint32_t event,
			uint32_t thread, uint32_t stack, const struct bucket_measure *measure)
{
	struct bucket_measure rest = *measure;

	while (from_ns < to_ns) {
		uint64_t end_ns = (from_ns / ring->bucket_ns + 1) * ring->bucket_ns;
		struct slot *slot = open_slot(ring, from_ns);
		double share = 1;

		if (end_ns < to_ns)
			share = (double)(end_ns - from_ns) / (double)(to_ns - from_ns);
		struct bucket_measure part = take_share(&rest, share);
		from_ns = end_ns;
		if (!slot || (!part.weight && !part.count))
			continue;
		process_table_keep(ring->processes, thread);
		stack_table_keep(ring->stacks, stack);
		add_measure(get_row(ring, slot, event, thread, stack), &part);
	}
	process_table_release(ring->processes, thread);
	stack_table_release(ring->stacks, stack);
}

/* Number of the row of a bucket for these; HASHMAP_NONE: there is none. */
static uint32_t search_row(const struct bucket *bucket, uint32_t event, uint32_t thread,
			   uint32_t stack)
{
	for (uint32_t i = 0; i < bucket->row_count; i++)
		if (bucket->rows[i].thread == thread && bucket->rows[i].stack == stack &&
		    bucket->rows[i].event == event)
			return i;
	return HASHMAP_NONE;
}

static void move_row(struct bucket_ring *ring, struct slot *slot, uint32_t number,
		     uint32_t to_stack)
{
	struct bucket_row *row = &slot->bucket->rows[number];
	struct bucket_measure measure = {row->count, row->weight, row->variance,
					 (double)row->certain, (double)row->largest};

	stack_table_keep(ring->stacks, to_stack);
	if (!is_open(ring, slot->bucket)) {
		/* Nobody looks for rows there any more. */
		stack_table_release(ring->stacks, row->stack);
		row->stack = to_stack;
		return;
	}
	process_table_keep(ring->processes, row->thread);
	/* The old row stays, for the index is about numbers: empty. */
	*row = (struct bucket_row){.thread = row->thread, .stack = row->stack, .event = row->event};
	add_measure(get_row(ring, slot, row->event, row->thread, to_stack), &measure);
}

void bucket_ring_move(struct bucket_ring *ring, uint64_t from_ns, uint64_t to_ns, uint32_t event,
		      uint32_t thread, uint32_t from_stack, uint32_t to_stack)
{
	uint64_t number = from_ns / ring->bucket_ns;

	if (number < ring->oldest)
		number = ring->oldest;
	for (; number <= ring->newest && number * ring->bucket_ns < to_ns; number++) {
		struct slot *slot = slot_of(ring, number);
		uint32_t row = slot->bucket ? search_row(slot->bucket, event, thread, from_stack)
					    : HASHMAP_NONE;

		if (row != HASHMAP_NONE)
			move_row(ring, slot, row, to_stack);
	}
}

struct bucket_totals *bucket_ring_totals(struct bucket_ring *ring, uint64_t time_ns)
{
	struct slot *slot = open_slot(ring, time_ns);

	return slot ? &slot->bucket->totals : NULL;
}

void bucket_ring_evict(struct bucket_ring *ring, uint64_t now_ns)
{
	uint64_t now = now_ns / ring->bucket_ns;
	uint64_t kept = ring->retention_ns / ring->bucket_ns;

	while (ring->oldest + kept < now && ring->oldest < ring->newest) {
		drop_bucket(ring, ring->oldest++);
		ring->short_of_memory = 0;
	}
	if (ring->oldest + kept < now && ring->oldest == ring->newest) {
		/* Nothing was recorded for longer than the retention. */
		drop_bucket(ring, ring->oldest);
		ring->oldest = ring->newest = now - kept;
	}
	while (bucket_ring_bytes(ring) > ring->memory_bytes && ring->oldest < ring->newest) {
		drop_bucket(ring, ring->oldest++);
		ring->short_of_memory = 1;
	}
}

int bucket_ring_clip(const struct bucket_ring *ring, struct bucket_window *window)
{
	uint64_t from = window->from_ns / ring->bucket_ns;
	uint64_t to = (window->to_ns + ring->bucket_ns - 1) / ring->bucket_ns;

	if (from < ring->oldest)
		from = ring->oldest;
	if (from >= to)
		return -ENODATA;
	window->from_ns = from * ring->bucket_ns;
	window->to_ns = to * ring->bucket_ns;
	return 0;
}

const struct bucket *bucket_ring_next(const struct bucket_ring *ring, uint64_t from_ns,
				      uint64_t to_ns)
{
	uint64_t number = (from_ns + ring->bucket_ns - 1) / ring->bucket_ns;

	if (number < ring->oldest)
		number = ring->oldest;
	for (; number <= ring->newest && number * ring->bucket_ns < to_ns; number++) {
		const struct slot *slot = slot_of(ring, number);

		if (slot->bucket)
			return slot->bucket;
	}
	return NULL;
}

uint64_t bucket_ring_oldest_ns(const struct bucket_ring *ring)
{
	return ring->oldest * ring->bucket_ns;
}

int bucket_ring_is_short_of_memory(const struct bucket_ring *ring)
{
	return ring->short_of_memory;
}

uint64_t bucket_ring_length_ns(const struct bucket_ring *ring)
{
	return ring->bucket_ns;
}

uint64_t bucket_ring_retention_ns(const struct bucket_ring *ring)
{
	return ring->retention_ns;
}

size_t bucket_ring_bytes(const struct bucket_ring *ring)
{
	return ring->row_bytes + ring->slot_count * sizeof(*ring->slots) +
	       stack_table_bytes(ring->stacks) + process_table_bytes(ring->processes);
}

size_t bucket_ring_limit_bytes(const struct bucket_ring *ring)
{
	return ring->memory_bytes;
}

uint32_t bucket_ring_held(const struct bucket_ring *ring)
{
	return ring->held;
}
