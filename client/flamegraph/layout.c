/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/layout.h"

#include <math.h>
#include <stdlib.h>

#include "client/formats/stack_sort.h"

/* What is looked at again and again of a stack, side by side. */
struct brief {
	const uint32_t *frames;
	uint32_t depth;
	uint32_t number;
	double width;
};

/* Stacks that are in one frame and wait to be split. */
struct range {
	uint32_t first, end; /* of entries */
	uint32_t frame;      /* in the layout */
};

struct splitter {
	struct layout *layout;
	const struct stack_list *list;
	const struct layout_settings *settings;
	uint32_t *ranks;
	struct brief *briefs; /* by place in the list */
	uint32_t key_limit;
	struct stack_entry *entries;
	struct stack_entry *scratch;
	struct range *waiting;
	size_t waiting_count;
	size_t waiting_capacity;
};

static void splitter_fini(struct splitter *splitter)
{
	free(splitter->ranks);
	free(splitter->briefs);
	free(splitter->entries);
	free(splitter->scratch);
	free(splitter->waiting);
}

double layout_stack_width(const struct stack_list *list, const struct stack *stack,
			  enum flamegraph_width_by width_by)
{
	double before = stack->values[STACK_BEFORE] * list->before_scale;
	double after = stack->values[STACK_AFTER];

	if (!list->has_two)
		return stack->values[STACK_BEFORE];
	switch (width_by) {
	case WIDTH_BY_BEFORE:
		return before;
	case WIDTH_BY_LARGER:
		return before > after ? before : after;
	case WIDTH_BY_AFTER:
		break;
	}
	return after;
}

double layout_total(const struct stack_list *list, enum flamegraph_width_by width_by)
{
	double total = 0;

	for (uint32_t i = 0; i < list->stack_count; i++)
		total += layout_stack_width(list, &list->stacks[i], width_by);
	return total;
}

static uint32_t add_frame(struct layout *layout, const struct layout_frame *frame)
{
	uint32_t number = layout->count++;

	layout->frames = memory_grow(layout->frames, &layout->capacity, layout->count,
				     sizeof(*layout->frames));
	layout->frames[number] = *frame;
	if (frame->depth > layout->max_depth)
		layout->max_depth = frame->depth;
	return number;
}

static void push_range(struct splitter *splitter, struct range range)
{
	splitter->waiting = memory_grow(splitter->waiting, &splitter->waiting_capacity,
					splitter->waiting_count + 1, sizeof(*splitter->waiting));
	splitter->waiting[splitter->waiting_count++] = range;
}

static uint32_t frame_at(const struct splitter *splitter, uint32_t stack, uint32_t depth)
{
	return splitter->briefs[stack].frames[depth];
}

/*
 * Set the keys of a range for depth: 0 for a stack that ends above, else the rank of its frame + 1.
 * Returns non-zero when they are in order already.
 */
static int set_keys(struct splitter *splitter, const struct range *range, uint32_t depth)
{
	uint32_t before = 0;
	int in_order = 1;

	for (uint32_t i = range->first; i < range->end; i++) {
		struct stack_entry *entry = &splitter->entries[i];
		uint32_t length = splitter->briefs[entry->stack].depth;
		uint32_t key = 0;

		if (length > depth)
			key = splitter->ranks[2 * frame_at(splitter, entry->stack, depth) +
					      (length == depth + 1)] +
			      1;
		entry->key = key;
		in_order &= key >= before;
		before = key;
	}
	return in_order;
}

static void add_values(const struct splitter *splitter, double *sums, uint32_t stack)
{
	sums[STACK_BEFORE] += splitter->list->stacks[stack].values[STACK_BEFORE];
	sums[STACK_AFTER] += splitter->list->stacks[stack].values[STACK_AFTER];
}

static double width_of(const struct splitter *splitter, uint32_t stack)
{
	return splitter->briefs[stack].width;
}

/* Stacks from first on that have the same frame at depth: its child. Returns where they end. */
static uint32_t take_child(struct splitter *splitter, const struct range *range, uint32_t first,
			   uint32_t depth, struct layout_frame *child)
{
	uint32_t i = first;

	*child = (struct layout_frame){
		.frame = frame_at(splitter, splitter->entries[first].stack, depth),
		.parent = range->frame,
		.depth = depth + 1,
	};
	for (; i < range->end && splitter->entries[i].key; i++) {
		uint32_t stack = splitter->entries[i].stack;

		if (frame_at(splitter, stack, depth) != child->frame)
			break;
		child->width += width_of(splitter, stack);
		add_values(splitter, child->totals, stack);
	}
	return i;
}

/* The stacks from first to end go no higher than frame. */
static void set_stack_frame(struct splitter *splitter, uint32_t first, uint32_t end, uint32_t frame)
{
	for (uint32_t i = first; i < end; i++) {
		uint32_t stack = splitter->entries[i].stack;

		splitter->layout->stack_frames[splitter->briefs[stack].number] = frame;
	}
}

/* Split one range: what ends here is the frame's own, the rest are its children. */
static void split(struct splitter *splitter, const struct range *range)
{
	struct layout *layout = splitter->layout;
	uint32_t depth = layout->frames[range->frame].depth;
	double start = layout->frames[range->frame].start;
	size_t first_waiting = splitter->waiting_count;

	if (!set_keys(splitter, range, depth) && !splitter->settings->keep_order)
		stack_sort(splitter->entries + range->first, splitter->scratch,
			   range->end - range->first, splitter->key_limit);
	for (uint32_t i = range->first; i < range->end;) {
		uint32_t stack = splitter->entries[i].stack;
		struct layout_frame child;

		if (!splitter->entries[i].key) {
			add_values(splitter, layout->frames[range->frame].selves, stack);
			start += width_of(splitter, stack);
			set_stack_frame(splitter, i, i + 1, range->frame);
			i++;
			continue;
		}
		uint32_t end = take_child(splitter, range, i, depth, &child);
		child.start = start;
		start += child.width;
		if (child.width < splitter->settings->minimum) {
			layout->hidden++;
			set_stack_frame(splitter, i, end, range->frame);
		} else {
			push_range(splitter, (struct range){i, end, add_frame(layout, &child)});
		}
		i = end;
	}
	/* The leftmost child is taken next. */
	for (size_t low = first_waiting, high = splitter->waiting_count; low + 1 < high; low++) {
		struct range swapped = splitter->waiting[low];

		splitter->waiting[low] = splitter->waiting[--high];
		splitter->waiting[high] = swapped;
	}
}

static void find_delta_limit(struct layout *layout, const struct stack_list *list)
{
	for (uint32_t i = 0; i < list->stack_count && list->has_two; i++) {
		const double *values = list->stacks[i].values;
		double delta = fabs(values[STACK_AFTER] - values[STACK_BEFORE]);

		if (delta > layout->delta_limit)
			layout->delta_limit = delta;
	}
}

void layout_init(struct layout *layout, const struct stack_list *list,
		 const struct layout_settings *settings)
{
	_cleanup_(splitter_fini) struct splitter splitter = {
		.layout = layout,
		.list = list,
		.settings = settings,
		.key_limit = 2 * list->profile->frame_count + 1,
	};
	size_t room = (size_t)list->stack_count + 1;
	struct layout_frame root = {.frame = LAYOUT_ROOT};

	*layout = (struct layout){0};
	find_delta_limit(layout, list);
	splitter.ranks = stack_list_ranks(list);
	splitter.entries = memory_resize(NULL, room, sizeof(*splitter.entries));
	splitter.scratch = memory_resize(NULL, room, sizeof(*splitter.scratch));
	layout->stack_frames = memory_new(room * sizeof(*layout->stack_frames));
	splitter.briefs = memory_resize(NULL, room, sizeof(*splitter.briefs));
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];

		splitter.briefs[i] = (struct brief){
			.frames = list->frames + stack->first,
			.depth = stack->depth,
			.number = stack->number,
			.width = layout_stack_width(list, stack, settings->width_by),
		};
		splitter.entries[i].stack = i;
		root.width += width_of(&splitter, i);
		add_values(&splitter, root.totals, i);
	}
	layout->total = root.width;
	push_range(&splitter, (struct range){0, list->stack_count, add_frame(layout, &root)});
	while (splitter.waiting_count) {
		struct range range = splitter.waiting[--splitter.waiting_count];

		split(&splitter, &range);
	}
}

void layout_fini(struct layout *layout)
{
	free(layout->frames);
	free(layout->stack_frames);
	*layout = (struct layout){0};
}
