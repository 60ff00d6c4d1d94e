/* SPDX-License-Identifier: Apache-2.0 */
#include "common/utf8.h"

#include <string.h>

#include "common/memory.h"

/* By number of bytes: the marker bits of the first byte and the smallest value it may encode. */
static const struct {
	unsigned char mask;
	unsigned char marker;
	uint32_t minimum;
} forms[] = {
	{0x80, 0x00, 0},
	{0xe0, 0xc0, 0x80},
	{0xf0, 0xe0, 0x800},
	{0xf8, 0xf0, 0x10000},
};

size_t utf8_read(const char *text, size_t length, uint32_t *code_point)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t i = 0; i < ARRAY_SIZE(forms) && i < length; i++) {
		if ((bytes[0] & forms[i].mask) != forms[i].marker)
			continue;
		uint32_t value = bytes[0] & (unsigned char)~forms[i].mask;

		for (size_t k = 1; k <= i; k++) {
			if ((bytes[k] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (bytes[k] & 0x3f);
		}
		if (value < forms[i].minimum || value > 0x10ffff || (value >> 11) == 0x1b)
			return 0;
		*code_point = value;
		return i + 1;
	}
	return 0;
}

size_t utf8_valid_length(const char *text, size_t length)
{
	size_t at = 0;
	uint32_t code_point;

	while (at < length) {
		size_t step = utf8_read(text + at, length - at, &code_point);

		if (!step)
			break;
		at += step;
	}
	return at;
}

static int is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0);
}

int utf8_is_clean(const char *text, size_t length)
{
	uint32_t code_point;

	for (size_t at = 0; at < length;) {
		size_t step = utf8_read(text + at, length - at, &code_point);

		if (!step || is_control(code_point))
			return 0;
		at += step;
	}
	return 1;
}

size_t utf8_clean(char *clean, size_t capacity, const char *text, size_t length)
{
	size_t written = 0;

	if (!capacity)
		return 0;
	for (size_t at = 0; at < length;) {
		uint32_t code_point;
		size_t step = utf8_read(text + at, length - at, &code_point);
		const char *piece = !step ? UTF8_REPLACEMENT : text + at;
		size_t piece_length = !step ? strlen(UTF8_REPLACEMENT) : step;

		if (step && is_control(code_point)) {
			piece = "?";
			piece_length = 1;
		}
		if (piece_length >= capacity - written)
			break;
		memcpy(clean + written, piece, piece_length);
		written += piece_length;
		at += step ? step : 1;
	}
	clean[written] = 0;
	return written;
}
