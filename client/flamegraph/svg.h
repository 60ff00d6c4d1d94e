/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A picture as one SVG that needs nothing else. What is written is complete without its script:
 * frames, titles, legend and footer. The script, where it may run, takes the profile that is
 * embedded and draws everything anew for the width at hand.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_SVG_H
#define FLAME_CLIENT_FLAMEGRAPH_SVG_H

#include <stdio.h>

#include "client/formats/profile_stacks.h"
#include "common/memory.h"

struct picture;
struct profile;

/* What goes into the picture beside its frames. */
struct svg_content {
	const struct profile *profile; /* what is shown */
	const struct profile *base;    /* what a difference compares it with, or NULL */
	struct stack_levels levels;    /* how profile was laid out */
	/* Of a flame chart: the row of profile that each stack is in, in the order of time, or NULL. */
	const uint32_t *rows;
};

/* Write the picture. Errors: those of writing to file. */
must_check int svg_write(const struct picture *picture, const struct svg_content *content,
			 FILE *file);

#endif
