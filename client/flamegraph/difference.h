/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What changed between the two values of a list of stacks, for each frame of a layout and for each
 * function, shares compared.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_DIFFERENCE_H
#define FLAME_CLIENT_FLAMEGRAPH_DIFFERENCE_H

#include <stdint.h>
#include <stdio.h>

#include "client/flamegraph/change.h"
#include "client/flamegraph/layout.h"
#include "client/formats/stack_list.h"

struct difference {
	struct change *changes; /* by frame of the layout, or by frame of the list's profile */
	uint32_t count;
	uint32_t slice_counts[STACK_VALUES]; /* of the variance; 0: from the counts alone */
	double limit;                        /* largest change of a share that is significant */
};

/*
 * Compare the frames of layout at a false discovery rate (0: everything counts). The list is merged
 * (stack_list_merge_equal), and the layout is of it.
 */
void difference_init(struct difference *difference, const struct stack_list *list,
		     const struct layout *layout, double rate);

/* The same for functions, wherever they are called from: changes are by frame number. */
void difference_init_functions(struct difference *difference, const struct stack_list *list,
			       double rate);
void difference_fini(struct difference *difference);

/*
 * The numbers of the changes that are significant, the largest first, count of them at most, into
 * *order, Owned (free). Returns how many they are.
 */
uint32_t difference_rank(const struct difference *difference, uint32_t count, uint32_t **order);

/*
 * Print the most significant changes of functions in words, count of them at most, one a line.
 * Errors: those of writing to file.
 */
must_check int difference_print(const struct stack_list *list, double rate, uint32_t count,
				FILE *file);

/* How the variance was found, for the legend. Owned (free). */
char *difference_method(const struct difference *difference);

#endif
