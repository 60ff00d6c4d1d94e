/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of a few dozen bytes, such as the name of a function or a line, is compared faster in place
 * than by a call of memcmp(3).
 */
#ifndef FLAME_CLIENT_FORMATS_SHORT_TEXT_H
#define FLAME_CLIENT_FORMATS_SHORT_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Non-zero when length bytes are equal: eight at a time, the last eight overlapping. */
static inline int short_text_is_equal(const char *a, const char *b, size_t length)
{
	uint64_t left, right;

	if (length < sizeof(left))
		return memcmp(a, b, length) == 0;
	for (size_t at = 0; at + sizeof(left) < length; at += sizeof(left)) {
		memcpy(&left, a + at, sizeof(left));
		memcpy(&right, b + at, sizeof(right));
		if (left != right)
			return 0;
	}
	memcpy(&left, a + length - sizeof(left), sizeof(left));
	memcpy(&right, b + length - sizeof(right), sizeof(right));
	return left == right;
}

#endif
