/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which colour a frame has. The palettes of flamegraph.pl give the colours that it gives: from the
 * name, the same each time, or from a hash of its first and last letters, or at random. `kind` is
 * ours: it tells user, library, kernel, JIT, inlined and unknown frames apart, in colours that the
 * colour-blind can tell apart too.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_PALETTE_H
#define FLAME_CLIENT_FLAMEGRAPH_PALETTE_H

#include <stddef.h>
#include <stdint.h>

#include "common/frame.h"

struct color {
	uint8_t red;
	uint8_t green;
	uint8_t blue;
};

enum palette_mode { PALETTE_BY_NAME, PALETTE_BY_HASH, PALETTE_RANDOM };

/* Non-zero when name is a palette. */
int palette_exists(const char *name);

/* "one of hot, mem, …": what to answer to an unknown name. */
const char *palette_list(void);

/* The colour of a frame in palette name; the annotation behind a frame's name takes part. */
struct color palette_color(const char *palette, enum palette_mode mode, const char *name,
			   size_t length, enum frame_kind kind);

/*
 * The palette `kind` has a few shades of each kind; which one a name has says nothing, it keeps
 * neighbours apart.
 */
#define PALETTE_SHADES 4
int palette_shade(const char *name, size_t length);
struct color palette_kind_shade(enum frame_kind kind, int shade);

/* Red where value > 0, blue where it is < 0, white at 0, full at ±limit. */
struct color palette_delta_color(double value, double limit);

/*
 * The same in tones that leave a label readable and that the colour-blind can tell apart: orange
 * grew, blue shrank, paler the less it was.
 */
struct color palette_change_color(double value, double limit);

/* What separates a waker's stack ("--") or the kernel's from the user's ("-"); 0: neither. */
int palette_separator_color(const char *name, size_t length, struct color *color);

#endif
