/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of `perf script`: a line for each sample, its frames below it, leaf first, a blank line
 * behind. Stacks are read as stackcollapse-perf.pl reads them, with its options. What a line of
 * text says about a frame is worked out once and found by the text after that.
 */
#ifndef FLAME_CLIENT_FORMATS_PERF_SCRIPT_H
#define FLAME_CLIENT_FORMATS_PERF_SCRIPT_H

#include <stdint.h>

#include "client/formats/addr2line.h"
#include "client/formats/line_cache.h"
#include "client/formats/stack_list.h"

struct perf_script_settings {
	int pid;              /* the process's frame is "name-pid" */
	int tid;              /* … "name-pid/tid" */
	int show_inlined;     /* ask addr2line for the functions inlined at a pc */
	int show_context;     /* … with file and line */
	uint64_t patience_ns; /* with addr2line; 0: that of addr2line.h */
	int srcline;          /* add the lines that `perf script -F +srcline` puts below frames */
	int annotate_kernel;  /* "_[k]" */
	int annotate_jit;     /* "_[j]" */
	int addresses;        /* the pc in frames without a name */
	const char *event_filter; /* only this event; NULL: the first that is seen */
};

/* Where the frames of a line are among the frames of all lines. */
struct perf_script_line {
	uint32_t first;
	uint32_t count;
};

/* Frames of what runs Java are read in another way. */
enum { PERF_SCRIPT_OTHERS, PERF_SCRIPT_JAVA, PERF_SCRIPT_READINGS };

/* A line that was read before, by the hash of its name and of its module. */
struct perf_script_guess {
	const char *text; /* both; NULL: none */
	uint32_t name_length;
	uint32_t length;
	uint32_t line; /* its number */
};

#define PERF_SCRIPT_GUESSES 32768u

struct perf_script_reader {
	struct stack_list *list; /* borrowed */
	const struct perf_script_settings *settings;
	struct stack_index stacks;
	char *event; /* that is shown; NULL: none seen */
	int has_rejected_event;
	uint64_t ignored_lines;
	struct addr2line addr2line;

	/* By text of a line behind the pc, with a letter before it for what else matters. */
	struct intern texts;
	struct perf_script_guess *guesses;
	struct line_cache whole_lines[PERF_SCRIPT_READINGS]; /* meaning: a number of lines */
	uint32_t looked_up; /* lines, since it was last judged whether they come again */
	uint32_t known;     /* … that did */
	int is_varied;      /* they do not: the cache is left alone */
	struct perf_script_line *lines;
	size_t line_capacity;
	uint32_t *line_frames;
	size_t line_frame_count;
	size_t line_frame_capacity;

	/* The sample in hand, leaf first; is_open: it is one that is shown. */
	int is_open;
	int is_java;
	uint32_t process;
	double period;
	uint32_t *frames;
	size_t frame_count;
	size_t frame_capacity;
	struct intern processes; /* by text of the process */
};

void perf_script_reader_init(struct perf_script_reader *reader, struct stack_list *list,
			     const struct perf_script_settings *settings);
void perf_script_reader_fini(struct perf_script_reader *reader);

/* Read the lines in text. Errors: -E2BIG the list is full. */
must_check int perf_script_reader_feed(struct perf_script_reader *reader, const char *text,
				       size_t length);

/*
 * The text is over. Returns non-zero when it was cut inside a sample: no blank line is behind it, so
 * frames towards the root may be missing, and the sample is left out.
 */
int perf_script_reader_finish(struct perf_script_reader *reader);

#endif
