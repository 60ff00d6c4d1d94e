/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash index over elements that live elsewhere: it maps a 32-bit hash to the numbers (array
 * indices, ids) of the elements that have it, and the caller compares the elements. So one small
 * open-addressing table serves strings, stacks, processes and modules, without callbacks:
 *
 *	struct hashmap_cursor cursor;
 *	for (uint32_t i = hashmap_first(map, hash, &cursor); i != HASHMAP_NONE;
 *	     i = hashmap_next(map, &cursor))
 *		if (elements[i] is the one)
 *			return i;
 *
 * Linear probing, at most 3/4 full, deletion by shifting back (no tombstones). 8 bytes a slot.
 */
#ifndef FLAME_COMMON_HASHMAP_H
#define FLAME_COMMON_HASHMAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASHMAP_NONE UINT32_MAX

struct hashmap_slot {
	uint32_t hash;
	uint32_t value; /* HASHMAP_NONE: empty */
};

/* Zero-initialised is a valid empty map. */
struct hashmap {
	struct hashmap_slot *slots;
	uint32_t mask;  /* number of slots - 1 */
	uint32_t count; /* slots in use */
};

struct hashmap_cursor {
	uint32_t hash;
	uint32_t slot;
};

/* Release what the map holds; it is empty afterwards. */
void hashmap_fini(struct hashmap *map);

/* Forget every value and keep the room. */
void hashmap_clear(struct hashmap *map);

/* Make room for count values in all. */
void hashmap_reserve(struct hashmap *map, uint32_t count);

/* Add value (anything but HASHMAP_NONE) under hash; equal values may be added more than once. */
void hashmap_add(struct hashmap *map, uint32_t hash, uint32_t value);

/* Remove one entry of value under hash; nothing happens when there is none. */
void hashmap_remove(struct hashmap *map, uint32_t hash, uint32_t value);

/* Bytes of memory in use. */
size_t hashmap_bytes(const struct hashmap *map);

/* Return the next value with the cursor's hash, or HASHMAP_NONE. */
static inline uint32_t hashmap_next(const struct hashmap *map, struct hashmap_cursor *cursor)
{
	for (;;) {
		const struct hashmap_slot *slot = &map->slots[cursor->slot];

		if (slot->value == HASHMAP_NONE)
			return HASHMAP_NONE;
		cursor->slot = (cursor->slot + 1) & map->mask;
		if (slot->hash == cursor->hash)
			return slot->value;
	}
}

/* Return the first value under hash and set up cursor for hashmap_next(), or HASHMAP_NONE. */
static inline uint32_t hashmap_first(const struct hashmap *map, uint32_t hash,
				     struct hashmap_cursor *cursor)
{
	if (!map->slots)
		return HASHMAP_NONE;
	cursor->hash = hash;
	cursor->slot = hash & map->mask;
	return hashmap_next(map, cursor);
}

/* Finish a 64-bit value into a well-mixed 32-bit hash (the finaliser of MurmurHash3). */
static inline uint32_t hash_u64(uint64_t value)
{
	value ^= value >> 33;
	value *= UINT64_C(0xff51afd7ed558ccd);
	value ^= value >> 33;
	value *= UINT64_C(0xc4ceb9fe1a85ec53);
	value ^= value >> 33;
	return (uint32_t)value;
}

/* Hash bytes: eight at a time, multiply and fold. */
static inline uint32_t hash_bytes(const void *data, size_t length)
{
	const unsigned char *bytes = data;
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ length;
	uint64_t word;

	for (; length >= 8; length -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, bytes, length);
	return hash_u64(hash ^ word);
}

#endif
