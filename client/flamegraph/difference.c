/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/difference.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Frames times slices: beyond this the variance comes from the counts alone. */
#define MAX_CELLS (64u << 20)

/* Sums for one side, by whatever is compared ("item"). */
struct side {
	double *parts;
	double *owns;
	double *variances;
	double *cells;  /* by item and slice; NULL: no slices */
	double *wholes; /* by slice */
	double whole, whole_variance;
	double quantum; /* what one sample is worth where no variance is told */
	uint32_t slice_count;
};

static void side_fini(struct side *side)
{
	free(side->parts);
	free(side->owns);
	free(side->variances);
	free(side->cells);
	free(side->wholes);
}

static double stack_variance(const struct side *side, const struct stack *stack, int which)
{
	return stack->variances[which] > 0 ? stack->variances[which]
					   : stack->values[which] * side->quantum;
}

static void side_init(struct side *side, const struct stack_list *list, int which, uint32_t count)
{
	*side = (struct side){
		.slice_count = list->slices[which].count,
		.quantum = stack_list_sample_value(list, which),
	};
	side->parts = memory_new((count + 1) * sizeof(double));
	side->owns = memory_new((count + 1) * sizeof(double));
	side->variances = memory_new((count + 1) * sizeof(double));
	if (side->slice_count < 2 || (uint64_t)side->slice_count * count > MAX_CELLS)
		side->slice_count = 0;
	if (side->slice_count) {
		side->cells = memory_new((size_t)side->slice_count * (count + 1) * sizeof(double));
		side->wholes = memory_new(side->slice_count * sizeof(double));
	}
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];

		side->whole += stack->values[which];
		side->whole_variance += stack_variance(side, stack, which);
	}
}

static void find_share(const struct side *side, uint32_t item, struct share *share)
{
	*share = (struct share){
		.part = side->parts[item],
		.part_variance = side->variances[item],
		.whole = side->whole,
		.whole_variance = side->whole_variance,
		.slice_count = side->slice_count,
	};
	if (side->slice_count)
		share->between = change_between(side->cells + (size_t)item * side->slice_count,
						side->wholes, side->slice_count);
}

static void compare(struct difference *difference, const struct side *sides, uint32_t count,
		    double rate)
{
	difference->changes = memory_new((count + 1) * sizeof(*difference->changes));
	difference->count = count;
	for (int which = 0; which < STACK_VALUES; which++)
		difference->slice_counts[which] = sides[which].slice_count;
	for (uint32_t i = 0; i < count; i++) {
		struct change *change = &difference->changes[i];
		struct share before, after;

		find_share(&sides[STACK_BEFORE], i, &before);
		find_share(&sides[STACK_AFTER], i, &after);
		change_find(change, &before, &after);
		if (before.whole > 0)
			change->own_before = sides[STACK_BEFORE].owns[i] / before.whole;
		if (after.whole > 0)
			change->own_after = sides[STACK_AFTER].owns[i] / after.whole;
	}
	change_control(difference->changes, count, rate);
	for (uint32_t i = 0; i < count; i++) {
		const struct change *change = &difference->changes[i];

		if (change->is_significant)
			difference->limit =
				fmax(difference->limit, fabs(change->after - change->before));
	}
}

/* Add the slices of a stack to an item's cells. */
static void add_cells(struct side *side, uint32_t item, const struct stack_slice *row)
{
	if (row->slice < side->slice_count)
		side->cells[(size_t)item * side->slice_count + row->slice] += row->value;
}

static void add_wholes(struct side *side, const struct stack_slices *slices)
{
	for (size_t i = 0; i < slices->row_count && side->slice_count; i++)
		if (slices->rows[i].slice < side->slice_count)
			side->wholes[slices->rows[i].slice] += slices->rows[i].value;
}

static void sum_layout(struct side *side, const struct stack_list *list,
		       const struct layout *layout, int which)
{
	const struct stack_slices *slices = &list->slices[which];

	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];
		uint32_t frame = layout->stack_frames[stack->number];

		side->parts[frame] += stack->values[which];
		side->variances[frame] += stack_variance(side, stack, which);
	}
	add_wholes(side, slices);
	for (size_t i = 0; i < slices->row_count && side->slice_count; i++)
		add_cells(side, layout->stack_frames[slices->rows[i].stack], &slices->rows[i]);
	for (uint32_t i = layout->count; i-- > 1;) {
		uint32_t parent = layout->frames[i].parent;

		side->owns[i] = layout->frames[i].selves[which];
		side->parts[parent] += side->parts[i];
		side->variances[parent] += side->variances[i];
		for (uint32_t k = 0; k < side->slice_count; k++)
			side->cells[(size_t)parent * side->slice_count + k] +=
				side->cells[(size_t)i * side->slice_count + k];
	}
}

void difference_init(struct difference *difference, const struct stack_list *list,
		     const struct layout *layout, double rate)
{
	struct side sides[STACK_VALUES];

	*difference = (struct difference){0};
	for (int which = 0; which < STACK_VALUES; which++) {
		side_init(&sides[which], list, which, layout->count);
		sum_layout(&sides[which], list, layout, which);
	}
	compare(difference, sides, layout->count, rate);
	for (int which = 0; which < STACK_VALUES; which++)
		side_fini(&sides[which]);
}

/* A function counts once in a stack, however often it recurs there. */
static void sum_functions(struct side *side, const struct stack_list *list, int which,
			  uint32_t *last_seen)
{
	const struct stack_slices *slices = &list->slices[which];
	uint32_t mark = 0;

	memset(last_seen, 0, list->profile->frame_count * sizeof(*last_seen));
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];

		mark++;
		for (uint32_t k = 0; k < stack->depth; k++) {
			uint32_t frame = list->frames[stack->first + k];

			if (last_seen[frame] != mark) {
				side->parts[frame] += stack->values[which];
				side->variances[frame] += stack_variance(side, stack, which);
			}
			last_seen[frame] = mark;
		}
		if (stack->depth)
			side->owns[list->frames[stack->first + stack->depth - 1]] +=
				stack->values[which];
	}
	add_wholes(side, slices);
	for (size_t i = 0; i < slices->row_count && side->slice_count; i++) {
		const struct stack *stack = &list->stacks[slices->rows[i].stack];

		mark++;
		for (uint32_t k = 0; k < stack->depth; k++) {
			uint32_t frame = list->frames[stack->first + k];

			if (last_seen[frame] != mark)
				add_cells(side, frame, &slices->rows[i]);
			last_seen[frame] = mark;
		}
	}
}

void difference_init_functions(struct difference *difference, const struct stack_list *list,
			       double rate)
{
	uint32_t count = list->profile->frame_count;
	_cleanup_free_ uint32_t *last_seen = memory_new((count + 1) * sizeof(*last_seen));
	struct side sides[STACK_VALUES];

	*difference = (struct difference){0};
	for (int which = 0; which < STACK_VALUES; which++) {
		side_init(&sides[which], list, which, count);
		sum_functions(&sides[which], list, which, last_seen);
	}
	compare(difference, sides, count, rate);
	for (int which = 0; which < STACK_VALUES; which++)
		side_fini(&sides[which]);
}

void difference_fini(struct difference *difference)
{
	free(difference->changes);
	*difference = (struct difference){0};
}

char *difference_method(const struct difference *difference)
{
	const uint32_t *counts = difference->slice_counts;

	if (counts[STACK_BEFORE] && counts[STACK_AFTER])
		return memory_format("variance between %u and %u slices of time",
				     counts[STACK_BEFORE], counts[STACK_AFTER]);
	return memory_format("variance from the counts alone");
}

static int compare_changes(const void *left, const void *right, void *context)
{
	const struct difference *difference = context;
	const struct change *a = &difference->changes[*(const uint32_t *)left];
	const struct change *b = &difference->changes[*(const uint32_t *)right];
	double change_a = fabs(a->after - a->before), change_b = fabs(b->after - b->before);

	return (change_a < change_b) - (change_a > change_b);
}

/* "grew from 10.00 % to 13.00 % (+1.40 to +4.60)" */
static void print_change(const struct stack_list *list, uint32_t frame, const struct change *change,
			 FILE *file)
{
	const char *verb = change->before <= 0              ? "is new at"
			   : change->after <= 0             ? "vanished from"
			   : change->after > change->before ? "grew from"
							    : "shrank from";
	const char *name = stack_list_name(list, frame);

	for (; *name; name++)
		fputc((unsigned char)*name < 0x20 || *name == 0x7f ? '?' : *name, file);
	if (change->before > 0 && change->after > 0)
		fprintf(file, " %s %.2f %% to %.2f %%", verb, 100 * change->before,
			100 * change->after);
	else
		fprintf(file, " %s %.2f %%", verb, 100 * fmax(change->before, change->after));
	fprintf(file, " (95 %%: %+.2f to %+.2f), self %.2f %% to %.2f %%\n", 100 * change->low,
		100 * change->high, 100 * change->own_before, 100 * change->own_after);
}

uint32_t difference_rank(const struct difference *difference, uint32_t count, uint32_t **order)
{
	uint32_t found = 0;

	*order = memory_new((difference->count + 1) * sizeof(**order));
	for (uint32_t i = 0; i < difference->count; i++) {
		const struct change *change = &difference->changes[i];

		if (change->is_significant && change->after != change->before)
			(*order)[found++] = i;
	}
	qsort_r(*order, found, sizeof(**order), compare_changes, (void *)(uintptr_t)difference);
	return found < count ? found : count;
}

int difference_print(const struct stack_list *list, double rate, uint32_t count, FILE *file)
{
	_cleanup_(difference_fini) struct difference difference;
	_cleanup_free_ uint32_t *order = NULL;

	difference_init_functions(&difference, list, rate);
	uint32_t printed = difference_rank(&difference, count, &order);
	for (uint32_t i = 0; i < printed; i++)
		print_change(list, order[i], &difference.changes[order[i]], file);
	_cleanup_free_ char *method = difference_method(&difference);
	fprintf(file, "%s; %s\n",
		printed ? "that is all that is more than chance, or as much of it as was asked for"
			: "nothing changed by more than chance",
		method);
	return ferror(file) ? -EIO : 0;
}
