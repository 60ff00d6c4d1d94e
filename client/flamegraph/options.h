/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a flame graph looks: every option of flamegraph.pl under its own name and with its meaning,
 * and ours. One table says name, argument and help; the commands that draw (svg, diff, render,
 * record) put it behind their own options for getopt_long(3) and into their usage text.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_OPTIONS_H
#define FLAME_CLIENT_FLAMEGRAPH_OPTIONS_H

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

#include "common/memory.h"

/* What a frame's width stands for in a difference. */
enum flamegraph_width_by {
	WIDTH_BY_AFTER, /* as flamegraph.pl: what is gone has no width */
	WIDTH_BY_BEFORE,
	WIDTH_BY_LARGER, /* nothing vanishes */
};

/* Texts are borrowed from the command line; NULL means the default. */
struct flamegraph_options {
	const char *title;
	const char *subtitle;
	double width;        /* px; 0: fluid, with coordinates for 1200 px */
	double frame_height; /* px a level */
	double min_width;    /* px, or percent of the whole: nothing narrower is drawn */
	int min_width_is_percent;
	const char *font_type;
	double font_size;
	double font_width;      /* of a character, in font sizes */
	const char *count_name; /* NULL: the unit of the values */
	const char *name_type;
	const char *colors;
	const char *background; /* "yellow", …, or "#rrggbb" */
	int hash;
	int random;
	int color_map; /* palette.map in the current folder is read and written */
	int reverse;
	int inverted;
	int flamechart;
	int negate;
	const char *notes;
	const char *encoding;
	double total; /* widen the scale to this much; 0: no */
	double factor;
	const char *name_attributes; /* a file */
	enum flamegraph_width_by width_by;
	int has_width_by;    /* it was given */
	double significance; /* false discovery rate; 0: every change is coloured */
	int compare_shares; /* a difference of shares, not of raw counts: given with significance */
	/*
	 * Where a label that is too long is cut: "left", "right", or "auto", which keeps the end of
	 * names with scopes ("::") or paths and the beginning of all others.
	 */
	const char *cut_side;
};

/* What the commands start from: render from flamegraph.pl's defaults, the others from ours. */
void flamegraph_options_init_compatible(struct flamegraph_options *options);

/* Have a difference compare shares, as far as the options given do not say otherwise. */
void flamegraph_options_compare_shares(struct flamegraph_options *options);
void flamegraph_options_init(struct flamegraph_options *options);

/* How many options the table has. */
size_t flamegraph_options_count(void);

/*
 * Fill options[0 … flamegraph_options_count() - 1] for getopt_long(3); option number i returns
 * first_value + i. The terminating zeros are the caller's.
 */
void flamegraph_options_list(struct option *list, int first_value);

/*
 * Take over option number index with its argument (NULL where it has none). *error becomes a
 * sentence (static text) on failure. Errors: -EINVAL.
 */
must_check int flamegraph_options_set(struct flamegraph_options *options, size_t index,
				      const char *argument, const char **error);

/* Print one line an option: name, argument, what it does. */
void flamegraph_options_print_help(FILE *file);

#endif
