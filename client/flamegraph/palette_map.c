/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/palette_map.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

void palette_map_init(struct palette_map *map)
{
	*map = (struct palette_map){0};
	intern_init(&map->names);
}

void palette_map_fini(struct palette_map *map)
{
	intern_fini(&map->names);
	free(map->colors);
	free(map->known);
	*map = (struct palette_map){0};
}

int palette_map_find(const struct palette_map *map, const char *name, size_t length,
		     struct color *color)
{
	uint32_t number = intern_find(&map->names, name, length);

	if (number == HASHMAP_NONE || number >= map->known_capacity || !map->known[number])
		return 0;
	*color = map->colors[number];
	return 1;
}

void palette_map_add(struct palette_map *map, const char *name, size_t length, struct color color)
{
	uint32_t number = intern_add(&map->names, name, length);
	size_t before = map->known_capacity;

	map->colors =
		memory_grow(map->colors, &map->capacity, (size_t)number + 1, sizeof(*map->colors));
	map->known = memory_grow(map->known, &map->known_capacity, (size_t)number + 1, 1);
	if (map->known_capacity > before)
		memset(map->known + before, 0, map->known_capacity - before);
	map->colors[number] = color;
	map->known[number] = 1;
}

static void parse_line(struct palette_map *map, const char *line, size_t length)
{
	static const char arrow[] = "->rgb(";
	char numbers[32];
	unsigned int red, green, blue;
	int used = 0;

	/* The last arrow counts: a name may hold one. */
	for (size_t at = length; at-- > 0;) {
		size_t rest = length - at;

		if (rest < strlen(arrow) || memcmp(line + at, arrow, strlen(arrow)) != 0)
			continue;
		if (rest >= sizeof(numbers))
			return;
		memcpy(numbers, line + at, rest);
		numbers[rest] = 0;
		if (sscanf(numbers, "->rgb(%3u,%3u,%3u)%n", &red, &green, &blue, &used) == 3 &&
		    used == (int)rest && red < 256 && green < 256 && blue < 256)
			palette_map_add(
				map, line, at,
				(struct color){(uint8_t)red, (uint8_t)green, (uint8_t)blue});
		return;
	}
}

void palette_map_parse(struct palette_map *map, const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		parse_line(map, text, (size_t)(stop - text));
		text = stop + 1;
	}
}

int palette_map_read(struct palette_map *map, const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t capacity = 0, length = 0, size;

	if (!file)
		return errno == ENOENT ? 0 : -errno;
	do {
		text = memory_grow(text, &capacity, length + 65536, 1);
		size = fread(text + length, 1, 65536, file);
		length += size;
		if (length > PALETTE_MAP_MAX_BYTES)
			return -E2BIG;
	} while (size);
	if (ferror(file))
		return -EIO;
	palette_map_parse(map, text, length);
	return 0;
}

static int compare_numbers(const void *left, const void *right, void *context)
{
	const struct intern *names = context;

	return strcmp(intern_text(names, *(const uint32_t *)left),
		      intern_text(names, *(const uint32_t *)right));
}

int palette_map_write(const struct palette_map *map, const char *path)
{
	_cleanup_free_ uint32_t *order = memory_new(map->names.count * sizeof(*order));
	struct intern names = map->names;
	FILE *file = fopen(path, "we");
	uint32_t count = 0;

	if (!file)
		return -errno;
	for (uint32_t i = 0; i < map->names.count && i < map->known_capacity; i++)
		if (map->known[i])
			order[count++] = i;
	qsort_r(order, count, sizeof(*order), compare_numbers, &names);
	for (uint32_t i = 0; i < count; i++) {
		const struct color *color = &map->colors[order[i]];

		fprintf(file, "%s->rgb(%u,%u,%u)\n", intern_text(&names, order[i]), color->red,
			color->green, color->blue);
	}
	int failed = ferror(file);
	return fclose(file) || failed ? -EIO : 0;
}
