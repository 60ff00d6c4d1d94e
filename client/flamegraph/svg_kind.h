/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kinds of frames in a picture that is painted by them: each kind and shade is a class of the
 * style sheet, which can turn it for the dark, and takes few bytes a frame.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_SVG_KIND_H
#define FLAME_CLIENT_FLAMEGRAPH_SVG_KIND_H

#include <stdio.h>

#include "common/frame.h"

#define SVG_KIND_CLASS_BYTES 16 /* an attribute, terminated */

struct picture;

/* Whether colours say of what kind frames are. */
int svg_kind_is_shown(const struct picture *picture);

/* Write the attribute that paints a frame of that kind and shade (0 to PALETTE_SHADES - 1). */
void svg_kind_class(enum frame_kind kind, int shade, char attribute[SVG_KIND_CLASS_BYTES]);

/* What the legend calls it. */
const char *svg_kind_label(enum frame_kind kind);

/* Write the rules for all classes. */
void svg_kind_write_styles(FILE *file);

#endif
