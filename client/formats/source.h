/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file or standard input, read once from front to end: either as pieces of whole lines through
 * one buffer, however large the file, or as a whole. The beginning can be looked at before.
 */
#ifndef FLAME_CLIENT_FORMATS_SOURCE_H
#define FLAME_CLIENT_FORMATS_SOURCE_H

#include <stddef.h>

#include "common/memory.h"

#define SOURCE_PIECE_BYTES (1u << 18)
#define SOURCE_MAX_LINE    (64u << 20)
#define SOURCE_MAX_WHOLE   (1u << 30)

struct source {
	int fd;
	int is_at_end;
	char *buffer;
	size_t start; /* what is in the buffer and not handed out yet */
	size_t end;
	size_t capacity;
};

/* Open path; "-" is standard input. Errors: those of open(2). */
must_check int source_open(struct source *source, const char *path);
void source_close(struct source *source);

/* Show up to SOURCE_PIECE_BYTES of what comes next. Borrowed (until the next call). */
must_check int source_peek(struct source *source, const char **text, size_t *length);

/*
 * Hand out the next piece, which ends where a line ends; *length 0 at the end. Borrowed (until the
 * next call). Errors: -E2BIG a line is longer than SOURCE_MAX_LINE, those of read(2).
 */
must_check int source_lines(struct source *source, const char **text, size_t *length);

/* Hand out all that is left. Errors: -E2BIG more than SOURCE_MAX_WHOLE, those of read(2). */
must_check int source_whole(struct source *source, const char **text, size_t *length);

#endif
