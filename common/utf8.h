/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbol and process names are whatever bytes somebody chose. Everything that writes JSON, SVG or
 * lines of text asks here what the next character is, so that its output is valid UTF-8 whatever
 * came in: bytes that are none are written as U+FFFD. Text that is kept is cleaned once, when it
 * comes in.
 */
#ifndef FLAME_COMMON_UTF8_H
#define FLAME_COMMON_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd"
#define UTF8_MAX_GROWTH  3 /* bytes that utf8_clean() makes of one */

/*
 * Return the length of the character at text (1-4 bytes) and store its code point, or 0 when the
 * bytes are no character (overlong forms, surrogates and values over U+10FFFF included).
 */
size_t utf8_read(const char *text, size_t length, uint32_t *code_point);

/* Return how many bytes at the start of text are valid. */
size_t utf8_valid_length(const char *text, size_t length);

/* Non-zero when the text is valid and has no control characters, so that it may be shown as is. */
int utf8_is_clean(const char *text, size_t length);

/*
 * Copy text with each byte that is not valid replaced by U+FFFD and each control character (C0,
 * DEL, C1) by '?', as many characters as fit into capacity bytes, and terminate it. Returns the
 * length written, without the terminating zero.
 */
size_t utf8_clean(char *clean, size_t capacity, const char *text, size_t length);

#endif
