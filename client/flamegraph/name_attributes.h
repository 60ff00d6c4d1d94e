/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes of frames by function (--nameattr): lines of "function<TAB>key=value<TAB>…". The keys
 * are id, class and g_extra (of the group around a frame), href, target and a_extra (of a link) and
 * title, which replaces the frame's own. What is no such line, key or attribute is refused: it
 * would end up as markup.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_NAME_ATTRIBUTES_H
#define FLAME_CLIENT_FLAMEGRAPH_NAME_ATTRIBUTES_H

#include <stddef.h>
#include <stdint.h>

#include "common/intern.h"
#include "common/memory.h"

#define NAME_ATTRIBUTES_MAX_BYTES (64u << 20)

enum name_attribute {
	ATTRIBUTE_ID,
	ATTRIBUTE_CLASS,
	ATTRIBUTE_G_EXTRA,
	ATTRIBUTE_HREF,
	ATTRIBUTE_TARGET,
	ATTRIBUTE_A_EXTRA,
	ATTRIBUTE_TITLE,
	ATTRIBUTE_COUNT
};

/* Values of one function: numbers of strings; 0: none. */
struct name_attributes_row {
	uint32_t values[ATTRIBUTE_COUNT];
};

struct name_attributes {
	struct intern strings;
	struct intern functions;
	struct name_attributes_row *rows; /* by number of the function */
	size_t row_capacity;
};

void name_attributes_init(struct name_attributes *attributes);
void name_attributes_fini(struct name_attributes *attributes);

/* Read the file at path. Errors: -EINVAL a line of another form, -E2BIG, those of reading. */
must_check int name_attributes_read(struct name_attributes *attributes, const char *path);
must_check int name_attributes_parse(struct name_attributes *attributes, const char *text,
				     size_t length);

/* The value of an attribute of function, or NULL. Borrowed. */
const char *name_attributes_find(const struct name_attributes *attributes, const char *function,
				 size_t length, enum name_attribute attribute);

/* "href" and so on. */
const char *name_attribute_key(enum name_attribute attribute);

#endif
