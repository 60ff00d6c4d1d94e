/* SPDX-License-Identifier: Apache-2.0 */
#include "common/hashmap.h"

#include <stdlib.h>

#include "common/memory.h"

#define MIN_SLOTS 16

void hashmap_fini(struct hashmap *map)
{
	free(map->slots);
	*map = (struct hashmap){0};
}

void hashmap_clear(struct hashmap *map)
{
	if (map->slots)
		memset(map->slots, 0xff, ((size_t)map->mask + 1) * sizeof(*map->slots));
	map->count = 0;
}

static void place(struct hashmap *map, uint32_t hash, uint32_t value)
{
	uint32_t slot = hash & map->mask;

	while (map->slots[slot].value != HASHMAP_NONE)
		slot = (slot + 1) & map->mask;
	map->slots[slot] = (struct hashmap_slot){.hash = hash, .value = value};
}

static void rehash(struct hashmap *map, size_t slot_count)
{
	struct hashmap old = *map;

	map->slots = memory_resize(NULL, slot_count, sizeof(*map->slots));
	memset(map->slots, 0xff, slot_count * sizeof(*map->slots));
	map->mask = (uint32_t)(slot_count - 1);
	for (size_t i = 0; old.slots && i <= old.mask; i++)
		if (old.slots[i].value != HASHMAP_NONE)
			place(map, old.slots[i].hash, old.slots[i].value);
	free(old.slots);
}

void hashmap_reserve(struct hashmap *map, uint32_t count)
{
	size_t slot_count = map->slots ? (size_t)map->mask + 1 : MIN_SLOTS;

	while (slot_count / 4 * 3 < count)
		slot_count *= 2;
	if (!map->slots || slot_count > (size_t)map->mask + 1)
		rehash(map, slot_count);
}

void hashmap_add(struct hashmap *map, uint32_t hash, uint32_t value)
{
	hashmap_reserve(map, map->count + 1);
	place(map, hash, value);
	map->count++;
}

void hashmap_remove(struct hashmap *map, uint32_t hash, uint32_t value)
{
	if (!map->slots)
		return;
	uint32_t hole = hash & map->mask;
	while (map->slots[hole].value != value || map->slots[hole].hash != hash) {
		if (map->slots[hole].value == HASHMAP_NONE)
			return;
		hole = (hole + 1) & map->mask;
	}
	/* Shift back every follower that may not stay behind an empty slot. */
	for (uint32_t next = (hole + 1) & map->mask; map->slots[next].value != HASHMAP_NONE;
	     next = (next + 1) & map->mask) {
		uint32_t home = map->slots[next].hash & map->mask;

		if (((next - home) & map->mask) >= ((next - hole) & map->mask)) {
			map->slots[hole] = map->slots[next];
			hole = next;
		}
	}
	map->slots[hole].value = HASHMAP_NONE;
	map->count--;
}

size_t hashmap_bytes(const struct hashmap *map)
{
	return map->slots ? ((size_t)map->mask + 1) * sizeof(*map->slots) : 0;
}
