/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/line_cache.h"

#include <stdlib.h>

void line_cache_init(struct line_cache *cache)
{
	*cache = (struct line_cache){.lines = memory_new(LINE_CACHE_SLOTS * sizeof(*cache->lines))};
}

void line_cache_fini(struct line_cache *cache)
{
	free(cache->lines);
	free(cache->bytes);
	*cache = (struct line_cache){0};
}

void line_cache_add(struct line_cache *cache, const char *text, size_t length, uint32_t meaning)
{
	if (length < LINE_CACHE_HEAD_BYTES || length > LINE_CACHE_MAX_LINE ||
	    cache->used + length > LINE_CACHE_MAX_BYTES)
		return;
	struct line_cache_line *line = cache->lines + line_cache_place(text);
	const struct line_cache_line *end = line + LINE_CACHE_WAYS;
	while (line < end && line->length)
		line++;
	if (line == end)
		return;
	*line = (struct line_cache_line){
		.offset = (uint32_t)cache->used,
		.length = (uint32_t)length,
		.meaning = meaning,
	};
	cache->bytes = memory_grow(cache->bytes, &cache->capacity, cache->used + length, 1);
	memcpy(cache->bytes + cache->used, text, length);
	cache->used += length;
}
