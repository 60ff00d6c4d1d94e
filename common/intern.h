/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Equal strings stored once: text -> small number -> text. Number 0 is always the empty string.
 * Strings are kept until the table goes; they are zero-terminated and never move.
 */
#ifndef FLAME_COMMON_INTERN_H
#define FLAME_COMMON_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "common/hashmap.h"

struct intern_string {
	const char *text;
	uint32_t length;
	uint32_t hash;
};

/* Initialise with intern_init(). */
struct intern {
	struct intern_string *strings;
	uint32_t count;
	size_t capacity;
	struct hashmap index;
	char *chunk; /* newest of a list of chunks that hold the text */
	size_t chunk_used;
	size_t chunk_size;
};

void intern_init(struct intern *table);
void intern_fini(struct intern *table);

/* Return the number of the string of length bytes (which need not be terminated). */
uint32_t intern_add(struct intern *table, const char *text, size_t length);

/* The same for a terminated string. */
uint32_t intern_add_text(struct intern *table, const char *text);

/* Return the number of the string, or HASHMAP_NONE when it is not in the table. */
uint32_t intern_find(const struct intern *table, const char *text, size_t length);

/* Return string number id. Borrowed (valid until the table goes). */
static inline const char *intern_text(const struct intern *table, uint32_t id)
{
	return table->strings[id].text;
}

#endif
