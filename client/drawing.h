/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph of a profile as svg and record make it: the options of how it looks, what format it
 * has and where it goes.
 */
#ifndef FLAME_CLIENT_DRAWING_H
#define FLAME_CLIENT_DRAWING_H

#include "client/command.h"
#include "client/flamegraph/options.h"

struct client;
struct profile;
struct stack_levels;

enum drawing_format {
	DRAWING_SVG,
	DRAWING_FOLDED,
	DRAWING_JSON,
	DRAWING_FRAMES,
};

/* The words for enum drawing_format, up to NULL. */
extern const char *const drawing_formats[];

/* Options of flamegraph.pl and ours, for a set of options. */
extern const struct foreign_options drawing_foreign_options;

/* The options of how it looks, as a set of a command. */
struct option_set drawing_options(struct flamegraph_options *options);

/* Colour sleepers and wakers apart, unless colours were asked for. */
void drawing_show_wakers(struct flamegraph_options *options);

/*
 * Return "flame-NAME-20260131-140310.svg", NAME after what was selected (operands; none: the
 * processes in profile) and the host. Owned (free).
 */
char *drawing_file_name(const struct client *client, const struct profile *profile,
			int operand_count, char **operands);

/*
 * Draw profile and write it to path (NULL: standard output); json is the profile's own text. Tells
 * and exits when that fails.
 */
void drawing_write(const struct profile *profile, const struct stack_levels *levels,
		   const struct flamegraph_options *options, enum drawing_format format,
		   const char *json, size_t json_length, const char *path);

/* Write profile as folded text into memory; tells and exits when that fails. Owned (free). */
char *drawing_fold(const struct profile *profile, const struct stack_levels *levels,
		   unsigned int flags, size_t *length);

#endif
