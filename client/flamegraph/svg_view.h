/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the script of a picture has to know to draw it anew: the options in force, which levels lie
 * above the frames, and the colours that it cannot find by itself, as JSON in an element.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_SVG_VIEW_H
#define FLAME_CLIENT_FLAMEGRAPH_SVG_VIEW_H

#include <stdio.h>

struct picture;
struct stack_levels;

/* Write the element. */
void svg_view_write(const struct picture *picture, const struct stack_levels *levels, FILE *file);

#endif
