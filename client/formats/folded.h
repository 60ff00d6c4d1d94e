/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folded text, one stack a line: "main;work;malloc 12", root first, with a second number in a
 * difference. The reader takes text in pieces of whole lines, so a file is never in memory as a
 * whole, and reuses what a line shares with the one before it. What is no such line is counted.
 */
#ifndef FLAME_CLIENT_FORMATS_FOLDED_H
#define FLAME_CLIENT_FORMATS_FOLDED_H

#include <stdint.h>
#include <stdio.h>

#include "client/formats/stack_list.h"

/*
 * A guess which frame it is that follows a frame and begins so. Its length is here too, so that the
 * processor can go on to the next frame while it still checks this one.
 */
struct folded_guess {
	uint32_t frame;
	uint32_t length;
};

#define FOLDED_GUESSES 32768u

struct folded_reader {
	struct stack_list *list; /* borrowed */
	uint64_t ignored_lines;  /* neither empty nor a stack with a count */
	/* The line before: its frames, and where each of them ends in its text. */
	const char *text;
	size_t length;
	uint32_t *frames;
	uint32_t *ends;
	uint32_t depth;
	size_t frame_capacity;
	size_t end_capacity;
	struct folded_guess *guesses;
	const char **names; /* by frame number */
	size_t name_capacity;
	uint32_t name_count;
};

void folded_reader_init(struct folded_reader *reader, struct stack_list *list);
void folded_reader_fini(struct folded_reader *reader);

/*
 * Read the lines in text; the last one needs no line end. Errors: -E2BIG the list is full.
 */
must_check int folded_reader_feed(struct folded_reader *reader, const char *text, size_t length);

/* Non-zero when line (without its end) has the form of folded text. */
int folded_matches(const char *line, size_t length);

/* Behind the name of a frame: "_[k]" and so on, by its kind. */
#define FOLDED_ANNOTATE 1u

/*
 * Write the stacks of list as lines, sorted as with LC_ALL=C; equal ones are merged in list first.
 * In names ';' becomes ':' and control characters '_'. Values of a profile are rounded to whole
 * numbers, those of text keep six digits behind the point. flags: FOLDED_ANNOTATE. Errors: those of writing to file.
 */
must_check int folded_write(struct stack_list *list, unsigned int flags, FILE *file);

#endif
