/* SPDX-License-Identifier: Apache-2.0 */
#include "common/text.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "common/utf8.h"

#define ELLIPSIS "\xe2\x80\xa6" /* U+2026 */

struct range {
	uint32_t first;
	uint32_t last;
};

/* Characters that change how the text around them is shown. */
static const struct range hidden[] = {
	{0x00, 0x1f},     {0x7f, 0x9f},     {0x61c, 0x61c},   {0x200b, 0x200f},   {0x2028, 0x202e},
	{0x2060, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
};

/* Two columns wide (Unicode's East Asian Width W and F, to the block). */
static const struct range wide[] = {
	{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0x33ff}, {0x3400, 0x4dbf},
	{0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3}, {0xf900, 0xfaff},
	{0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
	{0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};

static int in_ranges(const struct range *ranges, size_t count, uint32_t code_point)
{
	for (size_t i = 0; i < count; i++)
		if (code_point >= ranges[i].first && code_point <= ranges[i].last)
			return 1;
	return 0;
}

char *text_copy_utf8(const char *text, size_t length)
{
	char *copy = memory_resize(NULL, length + 1, strlen(UTF8_REPLACEMENT));
	char *end = copy;
	uint32_t code_point;

	while (length) {
		size_t size = utf8_read(text, length, &code_point);

		if (size)
			end = mempcpy(end, text, size);
		else
			end = mempcpy(end, UTF8_REPLACEMENT, strlen(UTF8_REPLACEMENT));
		text += size ? size : 1;
		length -= size ? size : 1;
	}
	*end = 0;
	return copy;
}

char *text_copy_printable(const char *text)
{
	char *copy = text_copy_utf8(text, strlen(text));
	size_t length = strlen(copy);
	char *end = copy;
	uint32_t code_point = 0;

	for (size_t i = 0, size; i < length; i += size) {
		size = utf8_read(copy + i, length - i, &code_point);
		if (in_ranges(hidden, ARRAY_SIZE(hidden), code_point)) {
			*end++ = '?';
			continue;
		}
		memmove(end, copy + i, size);
		end += size;
	}
	*end = 0;
	return copy;
}

/* Columns of the character at text and its size in bytes. */
static size_t character_columns(const char *text, size_t length, size_t *size)
{
	uint32_t code_point = 0;

	*size = utf8_read(text, length, &code_point);
	if (!*size)
		*size = 1;
	if (code_point >= 0x300 && code_point <= 0x36f) /* combining marks */
		return 0;
	return in_ranges(wide, ARRAY_SIZE(wide), code_point) ? 2 : 1;
}

size_t text_columns(const char *text)
{
	size_t length = strlen(text);
	size_t columns = 0;

	for (size_t i = 0, size; i < length; i += size)
		columns += character_columns(text + i, length - i, &size);
	return columns;
}

char *text_copy_columns(const char *text, size_t columns, int keep_end)
{
	size_t length = strlen(text);
	size_t total = text_columns(text);
	size_t used = 0, i = 0, size;

	if (total <= columns)
		return memory_copy_text(text, length);
	if (!columns)
		return memory_copy_text("", 0);
	if (keep_end) {
		for (; total - used > columns - 1; i += size)
			used += character_columns(text + i, length - i, &size);
		return memory_format("%s%s", ELLIPSIS, text + i);
	}
	for (; i < length; i += size) {
		size_t next = character_columns(text + i, length - i, &size);

		if (used + next > columns - 1)
			break;
		used += next;
	}
	return memory_format("%.*s%s", (int)i, text, ELLIPSIS);
}
