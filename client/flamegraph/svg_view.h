/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the script of a picture has to know to draw it anew: the options in force, which levels lie
 * above the frames, and the colours that it cannot find by itself, as JSON in an element.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_SVG_VIEW_H
#define FLAME_CLIENT_FLAMEGRAPH_SVG_VIEW_H

#include <stdint.h>
#include <stdio.h>

struct picture;
struct stack_levels;

/*
 * Write the element. rows: of a flame chart, the row of the embedded profile that each stack is in;
 * else NULL.
 */
void svg_view_write(const struct picture *picture, const struct stack_levels *levels,
		    const uint32_t *rows, FILE *file);

#endif
