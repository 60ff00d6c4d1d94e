/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks -> the frames of a flame graph: where each begins, how wide it is, how deep it lies, in
 * units of the values. Stacks are split frame by frame from the root, and what is narrower than
 * the minimum is never split further, so a huge profile costs what can be seen of it.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_LAYOUT_H
#define FLAME_CLIENT_FLAMEGRAPH_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

#include "client/flamegraph/options.h"
#include "client/formats/stack_list.h"

#define LAYOUT_ROOT UINT32_MAX /* the frame of the root, which holds all stacks */

struct layout_frame {
	uint32_t frame;  /* in the list's profile, or LAYOUT_ROOT */
	uint32_t parent; /* in the layout's frames; the root is its own */
	uint32_t depth;  /* 0: the root */
	double start;
	double width;
	double totals[STACK_VALUES]; /* of the frame and all above it */
	double selves[STACK_VALUES]; /* of stacks that end here */
};

/* A frame comes after its parent, and the children of one frame stand together, left to right. */
struct layout {
	struct layout_frame *frames;
	uint32_t count;
	size_t capacity;
	uint32_t max_depth;
	double total;           /* width of the root */
	double delta_limit;     /* largest change of a single stack */
	uint32_t *stack_frames; /* by number of a stack: the highest drawn frame that it is in */
	uint32_t hidden;        /* frames that are too narrow, not counting those above them */
};

struct layout_settings {
	enum flamegraph_width_by width_by; /* with two values */
	int keep_order;                    /* of the stacks: a flame chart */
	double minimum;                    /* width below which frames are left out */
};

void layout_init(struct layout *layout, const struct stack_list *list,
		 const struct layout_settings *settings);
void layout_fini(struct layout *layout);

/* The width of a stack. */
double layout_stack_width(const struct stack_list *list, const struct stack *stack,
			  enum flamegraph_width_by width_by);

/* Sum of the widths of all stacks. */
double layout_total(const struct stack_list *list, enum flamegraph_width_by width_by);

#endif
