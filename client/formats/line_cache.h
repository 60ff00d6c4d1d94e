/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of text that come again and again, found by how they begin: what a line means is worked out
 * once, and the next line that is equal is passed over in one step, without looking for its end or
 * its parts. A line is kept with its line end and up to three others share its place; what finds no
 * place, or no room within the limit, is simply not kept.
 */
#ifndef FLAME_CLIENT_FORMATS_LINE_CACHE_H
#define FLAME_CLIENT_FORMATS_LINE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client/formats/short_text.h"
#include "common/memory.h"

/* A line tells itself apart in its first bytes: for `perf script` a tab and the pc. */
#define LINE_CACHE_HEAD_BYTES 17u
#define LINE_CACHE_MAX_LINE   1024u
#define LINE_CACHE_SLOTS      65536u
#define LINE_CACHE_WAYS       4u
#define LINE_CACHE_MAX_BYTES  (16u << 20)

/* A line that is kept: all that is needed to go on to the next line while its text is compared. */
struct line_cache_line {
	uint32_t offset;  /* of its text in bytes */
	uint32_t length;  /* with the line end; 0: none */
	uint32_t meaning; /* a number of the caller's */
};

struct line_cache {
	struct line_cache_line *lines;
	char *bytes;
	size_t used;
	size_t capacity;
};

void line_cache_init(struct line_cache *cache);
void line_cache_fini(struct line_cache *cache);

/* Keep the line of length bytes at text, which ends with its line end. */
void line_cache_add(struct line_cache *cache, const char *text, size_t length, uint32_t meaning);

static inline uint32_t line_cache_place(const char *text)
{
	uint64_t first, second;

	memcpy(&first, text + 1, 8);
	memcpy(&second, text + LINE_CACHE_HEAD_BYTES - 8, 8);
	first = (first * UINT64_C(0x9e3779b97f4a7c15)) ^ second;
	first *= UINT64_C(0xff51afd7ed558ccd);
	return (uint32_t)(first >> 48) & (LINE_CACHE_SLOTS - LINE_CACHE_WAYS);
}

/* The line that text (length bytes are there) begins with, or NULL. Borrowed until the next add. */
static inline const struct line_cache_line *line_cache_find(const struct line_cache *cache,
							    const char *text, size_t length)
{
	if (length < LINE_CACHE_HEAD_BYTES)
		return NULL;
	const struct line_cache_line *line = cache->lines + line_cache_place(text);
	const struct line_cache_line *end = line + LINE_CACHE_WAYS;
	for (; line < end && line->length; line++)
		if (line->length <= length &&
		    short_text_is_equal(text, cache->bytes + line->offset, line->length))
			return line;
	return NULL;
}

#endif
