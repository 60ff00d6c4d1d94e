/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of a picture as SVG: row by row, those that are painted alike together. Frames too narrow
 * to be pointed at share paths, so that a picture of many frames stays small and is drawn fast.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_SVG_FRAMES_H
#define FLAME_CLIENT_FLAMEGRAPH_SVG_FRAMES_H

#include <stdio.h>

struct picture;

/* Write them as one group. */
void svg_frames_write(const struct picture *picture, FILE *file);

#endif
