/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The truth about a picture in one line: what was looked at, when, how, how much of it was seen.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_FOOTER_H
#define FLAME_CLIENT_FLAMEGRAPH_FOOTER_H

#include <stddef.h>

struct profile;

/*
 * "1234 on host · 13:02:01 to 13:02:31 (30 s) · …", and of base, if there is one, window and
 * quality; "" where nothing is known. Owned (free).
 */
char *footer_text(const struct profile *profile, const struct profile *base);

/* How many bytes of text are its first line when a line has so many columns. */
size_t footer_line(const char *text, size_t columns);

#endif
