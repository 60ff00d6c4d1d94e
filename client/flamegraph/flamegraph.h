/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Draw a flame graph: a profile or a list of stacks in, an SVG or its frames as text out.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_FLAMEGRAPH_H
#define FLAME_CLIENT_FLAMEGRAPH_FLAMEGRAPH_H

#include <stdio.h>

#include "client/flamegraph/options.h"
#include "client/formats/profile_stacks.h"
#include "common/memory.h"

enum flamegraph_format {
	FLAMEGRAPH_SVG,
	FLAMEGRAPH_FRAMES, /* one line a frame: x y width height fill text title */
};

/*
 * Draw profile to file. Errors: -ENODATA nothing in it has a value, -EINVAL the unit in levels is
 * none of the profile's or the encoding is not known, -E2BIG, those of writing.
 */
must_check int flamegraph_write(const struct profile *profile, const struct stack_levels *levels,
				const struct flamegraph_options *options,
				enum flamegraph_format format, FILE *file);

/* The same for a list of stacks, which is reordered and may be turned round. */
must_check int flamegraph_write_stacks(struct stack_list *list, const struct stack_levels *levels,
				       const struct flamegraph_options *options,
				       enum flamegraph_format format, FILE *file);

/*
 * The same for the difference of two profiles, base and shown, whose stacks are in list as first and
 * second values.
 */
must_check int flamegraph_write_difference(struct stack_list *list, const struct profile *base,
					   const struct profile *shown,
					   const struct stack_levels *levels,
					   const struct flamegraph_options *options,
					   enum flamegraph_format format, FILE *file);

/* A sentence for an error of those above, for people. Borrowed. */
const char *flamegraph_error(int error);

#endif
