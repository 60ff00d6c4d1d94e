/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flame graph before it is written down: the frames of a layout with everything that can be seen
 * of them, that is where they lie in pixels, their colour, label and title. frames.c writes it as
 * tab-separated lines, svg.c as a picture.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_PICTURE_H
#define FLAME_CLIENT_FLAMEGRAPH_PICTURE_H

#include <stdint.h>

#include "client/flamegraph/difference.h"
#include "client/flamegraph/layout.h"
#include "client/flamegraph/name_attributes.h"
#include "client/flamegraph/options.h"
#include "client/flamegraph/palette.h"
#include "client/formats/stack_list.h"
#include "common/memory.h"

#define PICTURE_DEFAULT_WIDTH 1200

struct picture {
	const struct flamegraph_options *options;
	const struct stack_list *list; /* borrowed */
	struct layout layout;
	struct color *colors;         /* by frame of the layout */
	struct difference difference; /* count 0: none, or colours by raw counts */
	struct name_attributes attributes;
	double total;             /* what the whole width stands for */
	double scale;             /* px for one unit of the values */
	double width, height;     /* px, of the image */
	double top, bottom, side; /* margins, px */
	const char *title;
	const char *count_name;
};

struct box {
	double x, y, width, height;
};

/*
 * Lay out and colour list, which is turned round or marked first where the options say so. The
 * options and the list are borrowed until picture_fini(). Errors: -ENODATA no stack has a value,
 * -E2BIG, those of reading and writing palette.map and of reading attributes.
 */
must_check int picture_init(struct picture *picture, struct stack_list *list,
			    const struct flamegraph_options *options);
void picture_fini(struct picture *picture);

/* Where frame number lies; x and width are rounded to tenths as flamegraph.pl does. */
struct box picture_box(const struct picture *picture, uint32_t number);

/* The name without annotation; "" for the root. Borrowed. */
const char *picture_name(const struct picture *picture, uint32_t number, size_t *length);

/* What a frame has room for: its whole name, or part of it with "..", or "". Owned (free). */
char *picture_label(const struct picture *picture, uint32_t number);

/* "name (1,234 samples, 5.67%)", the change behind it in a difference. Owned (free). */
char *picture_title(const struct picture *picture, uint32_t number);

/* An attribute that frame number was given by its name (--nameattr), or NULL. Borrowed. */
const char *picture_attribute(const struct picture *picture, uint32_t number,
			      enum name_attribute attribute);

/* A number with commas between thousands. Owned (free). */
char *picture_count(double value);

#endif
