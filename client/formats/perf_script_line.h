/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lines of `perf script` one by one: what the line of a sample and the line of a frame say, and
 * how the name of a function is cut to what is worth showing. Nothing here keeps anything.
 */
#ifndef FLAME_CLIENT_FORMATS_PERF_SCRIPT_LINE_H
#define FLAME_CLIENT_FORMATS_PERF_SCRIPT_LINE_H

#include <stddef.h>

#include "common/frame.h"

/* A piece of a line. Borrowed from it. */
struct span {
	const char *text;
	size_t length;
};

/* "name pid/tid [cpu] time: period event:"; what is not told is empty. */
struct perf_header {
	struct span name;
	struct span pid;
	struct span tid;
	struct span period;
	struct span event; /* empty where the line goes on behind it: the payload of a tracepoint */
};

/* "pc name+offset (module)" */
struct perf_frame {
	struct span pc;
	struct span name;
	struct span module;
};

/* Read a line; return 0 when it is none of the kind. */
int perf_header_read(struct span line, struct perf_header *header);
int perf_frame_read(struct span line, struct perf_frame *frame);

/* The name without "+0x12". */
struct span perf_line_strip_offset(struct span name);

/* A path's last part. */
struct span span_base_name(struct span path);

/* Non-zero when span is text. */
int span_equals(struct span span, const char *text);

/* "/tmp/perf-12.map": code that a JIT made. */
int perf_module_is_jit(struct span module);

/* What name and module tell about a frame. */
enum frame_kind perf_frame_kind(struct span name, struct span module, int is_inlined);

/* Cut the arguments off a function's name and take out what folded text cannot hold, in place. */
void perf_name_tidy(char *name, int is_java);

/* Non-zero when text begins like the output of `perf script`. */
int perf_script_matches(const char *text, size_t length);

/* White space, and what words are made of. */
static inline int perf_line_is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline int perf_line_is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_';
}

/* Where digits that begin at a place end. */
size_t perf_line_skip_digits(struct span line, size_t at);

#endif
