/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/name_attributes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/utf8.h"

static const char *const keys[ATTRIBUTE_COUNT] = {
	[ATTRIBUTE_ID] = "id",       [ATTRIBUTE_CLASS] = "class",   [ATTRIBUTE_G_EXTRA] = "g_extra",
	[ATTRIBUTE_HREF] = "href",   [ATTRIBUTE_TARGET] = "target", [ATTRIBUTE_A_EXTRA] = "a_extra",
	[ATTRIBUTE_TITLE] = "title",
};

const char *name_attribute_key(enum name_attribute attribute)
{
	return keys[attribute];
}

void name_attributes_init(struct name_attributes *attributes)
{
	*attributes = (struct name_attributes){0};
	intern_init(&attributes->strings);
	intern_init(&attributes->functions);
}

void name_attributes_fini(struct name_attributes *attributes)
{
	intern_fini(&attributes->strings);
	intern_fini(&attributes->functions);
	free(attributes->rows);
	*attributes = (struct name_attributes){0};
}

static int is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("-_:.", c);
}

/* name="value" name='value' …, and nothing that could be other markup. */
static int is_markup_attributes(const char *text, size_t length)
{
	const char *end = text + length;

	if (memchr(text, '<', length) || memchr(text, '&', length))
		return 0;
	while (text < end) {
		while (text < end && *text == ' ')
			text++;
		if (text == end)
			return 1;
		const char *name = text;
		while (text < end && *text && is_name(*text))
			text++;
		if (text == name || end - text < 3 || text[0] != '=' ||
		    (text[1] != '"' && text[1] != '\''))
			return 0;
		const char *close = memchr(text + 2, text[1], (size_t)(end - text - 2));
		if (!close)
			return 0;
		text = close + 1;
	}
	return 1;
}

static int set_value(struct name_attributes *attributes, uint32_t function, const char *pair,
		     size_t length)
{
	const char *equals = memchr(pair, '=', length);
	size_t key_length = equals ? (size_t)(equals - pair) : length;

	for (int key = 0; key < ATTRIBUTE_COUNT && equals; key++) {
		if (strlen(keys[key]) != key_length || memcmp(keys[key], pair, key_length) != 0)
			continue;
		const char *value = equals + 1;
		size_t value_length = length - key_length - 1;
		if ((key == ATTRIBUTE_G_EXTRA || key == ATTRIBUTE_A_EXTRA) &&
		    !is_markup_attributes(value, value_length))
			return -EINVAL;
		attributes->rows[function].values[key] =
			intern_add(&attributes->strings, value, value_length);
		return 0;
	}
	return -EINVAL;
}

static int parse_line(struct name_attributes *attributes, const char *line, size_t length)
{
	const char *end = line + length;
	const char *tab = memchr(line, '\t', length);

	if (!length)
		return 0;
	if (!tab || !utf8_is_clean(line, (size_t)(tab - line)))
		return -EINVAL;
	uint32_t function = intern_add(&attributes->functions, line, (size_t)(tab - line));
	size_t before = attributes->row_capacity;
	attributes->rows = memory_grow(attributes->rows, &attributes->row_capacity,
				       (size_t)function + 1, sizeof(*attributes->rows));
	if (attributes->row_capacity > before)
		memset(attributes->rows + before, 0,
		       (attributes->row_capacity - before) * sizeof(*attributes->rows));
	while (tab < end) {
		const char *pair = tab + 1;

		tab = memchr(pair, '\t', (size_t)(end - pair));
		if (!tab)
			tab = end;
		if (!utf8_is_clean(pair, (size_t)(tab - pair)) ||
		    set_value(attributes, function, pair, (size_t)(tab - pair)))
			return -EINVAL;
	}
	return 0;
}

int name_attributes_parse(struct name_attributes *attributes, const char *text, size_t length)
{
	const char *end = text + length;
	int error = 0;

	while (text < end && !error) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));

		if (!stop)
			stop = end;
		error = parse_line(attributes, text, (size_t)(stop - text));
		text = stop + 1;
	}
	return error;
}

int name_attributes_read(struct name_attributes *attributes, const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t capacity = 0, length = 0, size;

	if (!file)
		return -errno;
	do {
		text = memory_grow(text, &capacity, length + 65536, 1);
		size = fread(text + length, 1, 65536, file);
		length += size;
		if (length > NAME_ATTRIBUTES_MAX_BYTES)
			return -E2BIG;
	} while (size);
	return ferror(file) ? -EIO : name_attributes_parse(attributes, text, length);
}

const char *name_attributes_find(const struct name_attributes *attributes, const char *function,
				 size_t length, enum name_attribute attribute)
{
	uint32_t number = intern_find(&attributes->functions, function, length);

	if (number == HASHMAP_NONE || number >= attributes->row_capacity || !attributes->rows)
		return NULL;
	uint32_t value = attributes->rows[number].values[attribute];
	return value ? intern_text(&attributes->strings, value) : NULL;
}
