/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture as text: one line a drawn frame, tab-separated: x, y, width, height, fill, text, title.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_FRAMES_H
#define FLAME_CLIENT_FLAMEGRAPH_FRAMES_H

#include <stdio.h>

#include "common/memory.h"

struct picture;

/* Write the frames of picture. Errors: those of writing to file. */
must_check int frames_write(const struct picture *picture, FILE *file);

#endif
