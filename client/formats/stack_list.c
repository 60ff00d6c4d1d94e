/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/stack_list.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/stack_sort.h"

/* Of a sampling event, in its unit (ns, cycles, bytes). */
#define SMALLEST_PERIOD 10000

void stack_list_init(struct stack_list *list)
{
	*list = (struct stack_list){
		.profile = profile_new(),
		.unit_name = "samples",
		.before_scale = 1,
	};
}

void stack_list_fini(struct stack_list *list)
{
	profile_free(list->profile);
	free(list->frames);
	free(list->stacks);
	free(list->named_frames);
	for (int which = 0; which < STACK_VALUES; which++) {
		profile_free(list->origins[which]);
		free(list->slices[which].rows);
	}
	*list = (struct stack_list){0};
}

char stack_annotation(const char *name, size_t length)
{
	const char *end = name + length;

	if (length < STACK_ANNOTATION_LENGTH || end[-1] != ']' || end[-3] != '[' || end[-4] != '_')
		return 0;
	return strchr("kwij", end[-2]) ? end[-2] : 0;
}

/* What a name alone tells about its frame. */
static enum frame_kind guess_kind(const char *name, size_t length)
{
	switch (stack_annotation(name, length)) {
	case 'k':
		return FRAME_KERNEL;
	case 'j':
		return FRAME_JIT;
	case 'i':
		return FRAME_INLINED;
	default:
		break;
	}
	for (int mark = FRAME_MARK_TRUNCATED; mark < FRAME_MARK_COUNT; mark++) {
		const char *text = frame_mark_name((enum frame_mark)mark);

		if (strlen(text) == length && memcmp(text, name, length) == 0)
			return frame_mark_kind((enum frame_mark)mark);
	}
	if (length && name[0] == '[')
		return FRAME_UNKNOWN;
	if (memchr(name, '+', length) && memmem(name, length, "+0x", 3))
		return FRAME_UNKNOWN;
	return FRAME_USER;
}

uint32_t stack_list_frame(struct stack_list *list, const char *text, size_t length)
{
	uint32_t name = intern_add(&list->profile->strings, text, length);

	if (name >= list->named_capacity) {
		size_t before = list->named_capacity;

		list->named_frames = memory_grow(list->named_frames, &list->named_capacity,
						 (size_t)name + 1, sizeof(*list->named_frames));
		memset(list->named_frames + before, 0,
		       (list->named_capacity - before) * sizeof(*list->named_frames));
	}
	if (!list->named_frames[name]) {
		struct profile_frame frame = {.name = name, .kind = guess_kind(text, length)};

		list->named_frames[name] = profile_add_frame(list->profile, &frame) + 1;
	}
	return list->named_frames[name] - 1;
}

int stack_list_add(struct stack_list *list, const uint32_t *frames, uint32_t depth, double before,
		   double after)
{
	if (list->frame_count + depth > STACK_LIST_MAX_FRAMES || list->stack_count == UINT32_MAX)
		return -E2BIG;
	list->frames = memory_grow(list->frames, &list->frame_capacity, list->frame_count + depth,
				   sizeof(*list->frames));
	list->stacks = memory_grow(list->stacks, &list->stack_capacity,
				   (size_t)list->stack_count + 1, sizeof(*list->stacks));
	if (depth)
		memcpy(list->frames + list->frame_count, frames, depth * sizeof(*frames));
	list->stacks[list->stack_count] = (struct stack){
		.number = list->stack_count,
		.first = (uint32_t)list->frame_count,
		.depth = depth,
		.values = {before, after},
	};
	list->stack_count++;
	list->frame_count += depth;
	return 0;
}

void stack_index_fini(struct stack_index *index)
{
	hashmap_fini(&index->numbers);
}

int stack_list_count(struct stack_list *list, struct stack_index *index, const uint32_t *frames,
		     uint32_t depth, double value)
{
	uint32_t hash = hash_bytes(frames, depth * sizeof(*frames));
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&index->numbers, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&index->numbers, &cursor)) {
		struct stack *stack = &list->stacks[i];

		if (stack->depth == depth &&
		    memcmp(list->frames + stack->first, frames, depth * sizeof(*frames)) == 0) {
			stack->values[STACK_BEFORE] += value;
			return 0;
		}
	}
	hashmap_add(&index->numbers, hash, list->stack_count);
	return stack_list_add(list, frames, depth, value, 0);
}

void stack_list_reverse(struct stack_list *list)
{
	for (uint32_t i = 0; i < list->stack_count; i++) {
		uint32_t *frames = list->frames + list->stacks[i].first;

		for (uint32_t low = 0, high = list->stacks[i].depth; low + 1 < high; low++) {
			uint32_t frame = frames[low];

			frames[low] = frames[--high];
			frames[high] = frame;
		}
	}
}

double stack_list_total(const struct stack_list *list, int which)
{
	double total = 0;

	for (uint32_t i = 0; i < list->stack_count; i++)
		total += list->stacks[i].values[which];
	return total;
}

/*
 * The greatest common divisor, since periods are equal and counts are whole; of fractions, the
 * smallest.
 */
double stack_list_sample_value(const struct stack_list *list, int which)
{
	double smallest = INFINITY;
	uint64_t divisor = 0;
	int is_whole = 1;

	for (uint32_t i = 0; i < list->stack_count; i++) {
		double value = list->stacks[i].values[which];

		if (value <= 0)
			continue;
		smallest = fmin(smallest, value);
		is_whole &= value < 9e18 && nearbyint(value) == value;
		for (uint64_t rest = is_whole ? (uint64_t)value : 0; rest;) {
			uint64_t next = divisor % rest;

			divisor = rest;
			rest = next;
		}
	}
	if (!isfinite(smallest))
		return 1;
	/* Round counts have a divisor too; a period is larger. */
	if (is_whole)
		return divisor >= SMALLEST_PERIOD ? (double)divisor : 1;
	return smallest;
}

/* One of the two ways in which a frame stands in a line. */
struct rank_key {
	const char *text;
	uint32_t length;
	uint32_t slot; /* in the ranks */
};

static int compare_names(const struct rank_key *a, const struct rank_key *b)
{
	uint32_t common = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->text, b->text, common);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_as_names(const void *left, const void *right)
{
	const struct rank_key *a = left, *b = right;
	int order = compare_names(a, b);

	if (order)
		return order;
	/* Frame by frame, the last of a stack before the one that goes on. */
	uint32_t slot_a = a->slot ^ 1, slot_b = b->slot ^ 1;
	return (slot_a > slot_b) - (slot_a < slot_b);
}

/* Compare the names with what stands behind them: a space behind a leaf, else a ';'. */
static int compare_as_text(const void *left, const void *right)
{
	const struct rank_key *a = left, *b = right;
	uint32_t common = a->length < b->length ? a->length : b->length;
	int order = memcmp(a->text, b->text, common);

	if (order)
		return order;
	int next_a = a->length > common ? (unsigned char)a->text[common] : a->slot & 1 ? ' ' : ';';
	int next_b = b->length > common ? (unsigned char)b->text[common] : b->slot & 1 ? ' ' : ';';
	if (next_a != next_b)
		return next_a < next_b ? -1 : 1;
	return compare_names(a, b);
}

uint32_t *stack_list_ranks(const struct stack_list *list)
{
	uint32_t count = 2 * list->profile->frame_count;
	uint32_t *ranks = memory_new((count + 1) * sizeof(*ranks));
	_cleanup_free_ struct rank_key *keys = memory_new((count + 1) * sizeof(*keys));

	for (uint32_t i = 0; i < count; i++) {
		const struct intern_string *name =
			&list->profile->strings.strings[list->profile->frames[i / 2].name];

		keys[i] = (struct rank_key){name->text, name->length, i};
	}
	qsort(keys, count, sizeof(*keys), list->has_modules ? compare_as_names : compare_as_text);
	for (uint32_t i = 0; i < count; i++)
		ranks[keys[i].slot] = i;
	return ranks;
}

static int is_same_stack(const struct stack_list *list, const struct stack *a,
			 const struct stack *b)
{
	return a->depth == b->depth && memcmp(list->frames + a->first, list->frames + b->first,
					      a->depth * sizeof(*list->frames)) == 0;
}

/* A range of stacks that are equal up to depth. */
struct range {
	uint32_t first, end, depth;
};

/* What is sorted by level by level. */
struct sorter {
	const struct stack_list *list;
	const uint32_t *ranks;
	struct stack_entry *entries;
	struct stack_entry *scratch;
	struct range *waiting;
	size_t waiting_count;
	size_t waiting_capacity;
};

static void sorter_fini(struct sorter *sorter)
{
	free(sorter->entries);
	free(sorter->scratch);
	free(sorter->waiting);
}

static void push_range(struct sorter *sorter, struct range range)
{
	sorter->waiting = memory_grow(sorter->waiting, &sorter->waiting_capacity,
				      sorter->waiting_count + 1, sizeof(*sorter->waiting));
	sorter->waiting[sorter->waiting_count++] = range;
}

static void sort_range(struct sorter *sorter, struct range range)
{
	const struct stack_list *list = sorter->list;
	struct stack_entry *entries = sorter->entries;

	for (uint32_t i = range.first; i < range.end; i++) {
		const struct stack *stack = &list->stacks[entries[i].stack];
		uint32_t depth = range.depth;

		entries[i].key = 0;
		if (stack->depth > depth)
			entries[i].key = sorter->ranks[2 * list->frames[stack->first + depth] +
						       (stack->depth == depth + 1)] +
					 1;
	}
	stack_sort(entries + range.first, sorter->scratch, range.end - range.first,
		   2 * list->profile->frame_count + 1);
	for (uint32_t i = range.first, end; i < range.end; i = end) {
		for (end = i + 1; end < range.end && entries[end].key == entries[i].key;)
			end++;
		if (end - i > 1 && entries[i].key)
			push_range(sorter, (struct range){i, end, range.depth + 1});
	}
}

static void sort_stacks(struct stack_list *list, const uint32_t *ranks)
{
	size_t count = list->stack_count;
	_cleanup_(sorter_fini) struct sorter sorter = {.list = list, .ranks = ranks};
	struct stack *sorted = memory_resize(NULL, count, sizeof(*sorted));

	sorter.entries = memory_resize(NULL, count, sizeof(*sorter.entries));
	sorter.scratch = memory_resize(NULL, count, sizeof(*sorter.scratch));
	for (uint32_t i = 0; i < count; i++)
		sorter.entries[i].stack = i;
	push_range(&sorter, (struct range){0, list->stack_count, 0});
	while (sorter.waiting_count)
		sort_range(&sorter, sorter.waiting[--sorter.waiting_count]);
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = list->stacks[sorter.entries[i].stack];
	free(list->stacks);
	list->stacks = sorted;
	list->stack_capacity = count;
}

/* Stacks have new numbers: numbers[old] is the new one. */
static void renumber_slices(struct stack_list *list, const uint32_t *numbers)
{
	for (int which = 0; which < STACK_VALUES; which++) {
		struct stack_slices *slices = &list->slices[which];

		for (size_t i = 0; i < slices->row_count; i++)
			slices->rows[i].stack = numbers[slices->rows[i].stack];
	}
}

static void add_values(struct stack *sum, const struct stack *stack)
{
	for (int which = 0; which < STACK_VALUES; which++) {
		sum->values[which] += stack->values[which];
		sum->variances[which] += stack->variances[which];
	}
}

void stack_list_merge_equal(struct stack_list *list)
{
	_cleanup_free_ uint32_t *ranks = stack_list_ranks(list);
	_cleanup_free_ uint32_t *numbers = memory_new((list->stack_count + 1) * sizeof(*numbers));
	uint32_t kept = 0;

	if (!list->stack_count)
		return;
	sort_stacks(list, ranks);
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack stack = list->stacks[i];

		if (i && is_same_stack(list, &list->stacks[kept], &stack))
			add_values(&list->stacks[kept], &stack);
		else
			list->stacks[i ? ++kept : 0] = stack;
		numbers[stack.number] = kept;
	}
	list->stack_count = kept + 1;
	for (uint32_t i = 0; i < list->stack_count; i++)
		list->stacks[i].number = i;
	renumber_slices(list, numbers);
}
