/* SPDX-License-Identifier: Apache-2.0 */
#include "common/intern.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* A chunk starts with the pointer to the chunk before it. */
#define CHUNK_BYTES (64 * 1024)

static char *reserve_text(struct intern *table, size_t size)
{
	if (table->chunk_size - table->chunk_used < size) {
		size_t chunk_size = sizeof(char *) + (size > CHUNK_BYTES ? size : CHUNK_BYTES);
		char *chunk = memory_resize(NULL, chunk_size, 1);

		memcpy(chunk, &table->chunk, sizeof(char *));
		table->chunk = chunk;
		table->chunk_size = chunk_size;
		table->chunk_used = sizeof(char *);
	}
	char *text = table->chunk + table->chunk_used;
	table->chunk_used += size;
	return text;
}

void intern_init(struct intern *table)
{
	*table = (struct intern){0};
	intern_add(table, "", 0);
}

void intern_fini(struct intern *table)
{
	for (char *chunk = table->chunk; chunk;) {
		char *before;

		memcpy(&before, chunk, sizeof(char *));
		free(chunk);
		chunk = before;
	}
	free(table->strings);
	hashmap_fini(&table->index);
	*table = (struct intern){0};
}

static uint32_t find_hashed(const struct intern *table, const char *text, size_t length,
			    uint32_t hash)
{
	struct hashmap_cursor cursor;

	for (uint32_t id = hashmap_first(&table->index, hash, &cursor); id != HASHMAP_NONE;
	     id = hashmap_next(&table->index, &cursor))
		if (table->strings[id].length == length &&
		    memcmp(table->strings[id].text, text, length) == 0)
			return id;
	return HASHMAP_NONE;
}

uint32_t intern_find(const struct intern *table, const char *text, size_t length)
{
	return find_hashed(table, text, length, hash_bytes(text, length));
}

uint32_t intern_add(struct intern *table, const char *text, size_t length)
{
	uint32_t hash = hash_bytes(text, length);
	uint32_t id = find_hashed(table, text, length, hash);

	if (id != HASHMAP_NONE)
		return id;
	char *copy = reserve_text(table, length + 1);
	memcpy(copy, text, length);
	copy[length] = 0;
	id = table->count++;
	table->strings = memory_grow(table->strings, &table->capacity, table->count,
				     sizeof(*table->strings));
	table->strings[id] = (struct intern_string){copy, (uint32_t)length, hash};
	hashmap_add(&table->index, hash, id);
	return id;
}

uint32_t intern_add_text(struct intern *table, const char *text)
{
	return intern_add(table, text, strlen(text));
}
