/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text that others wrote (process names, symbols, paths) made safe for where it goes: valid UTF-8
 * for JSON, no control characters for terminals, no wider than a column of a table. Every function
 * returns a copy.
 */
#ifndef FLAME_COMMON_TEXT_H
#define FLAME_COMMON_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Copy the bytes, each that is not part of UTF-8 turned into U+FFFD. Owned (free). */
char *text_copy_utf8(const char *text, size_t length);

/*
 * Copy text for a terminal: what text_copy_utf8() does, and control characters (C0, C1, DEL) and
 * those that reverse or hide text (bidirectional marks and overrides) turned into '?'. Owned (free).
 */
char *text_copy_printable(const char *text);

/* Columns that a terminal needs for text (UTF-8, printable); two for wide East Asian characters. */
size_t text_columns(const char *text);

/*
 * Copy text so that it needs at most columns columns: cut at its end, or at its start when
 * keep_end, with "…" where it was cut. Owned (free).
 */
char *text_copy_columns(const char *text, size_t columns, int keep_end);

#endif
