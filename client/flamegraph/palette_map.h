/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The colours of --cp: a file that says "function->rgb(r,g,b)" a line, so that a function keeps its
 * colour from one picture to the next. What is drawn is added to it.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_PALETTE_MAP_H
#define FLAME_CLIENT_FLAMEGRAPH_PALETTE_MAP_H

#include "client/flamegraph/palette.h"
#include "common/intern.h"
#include "common/memory.h"

#define PALETTE_MAP_FILE      "palette.map"
#define PALETTE_MAP_MAX_BYTES (64u << 20)

struct palette_map {
	struct intern names;
	struct color *colors; /* by number of the name; number 0, the empty name, included */
	size_t capacity;
	char *known; /* by number */
	size_t known_capacity;
};

void palette_map_init(struct palette_map *map);
void palette_map_fini(struct palette_map *map);

/* Read the file at path; an absent one is an empty map. Errors: -E2BIG, those of reading. */
must_check int palette_map_read(struct palette_map *map, const char *path);

/* Take over lines; lines of another form are left out. */
void palette_map_parse(struct palette_map *map, const char *text, size_t length);

/* Look name up; returns non-zero and stores the colour when it is there. */
int palette_map_find(const struct palette_map *map, const char *name, size_t length,
		     struct color *color);
void palette_map_add(struct palette_map *map, const char *name, size_t length, struct color color);

/* Write the map, sorted by name. Errors: those of writing. */
must_check int palette_map_write(const struct palette_map *map, const char *path);

#endif
