/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/profile_stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/profile.h"

/* A depth no profile has; it bounds what one row can take. */
#define MAX_DEPTH 65536

static const struct {
	const char *name;
	enum profile_unit needs;
	double divisor;
} units[STACK_UNIT_COUNT] = {
	[STACK_UNIT_DEFAULT] = {"default", PROFILE_SAMPLES, 1},
	[STACK_UNIT_SAMPLES] = {"samples", PROFILE_SAMPLES, 1},
	[STACK_UNIT_NS] = {"ns", PROFILE_NS, 1},
	[STACK_UNIT_US] = {"us", PROFILE_NS, 1e3},
	[STACK_UNIT_MS] = {"ms", PROFILE_NS, 1e6},
	[STACK_UNIT_BYTES] = {"bytes", PROFILE_BYTES, 1},
};

const char *stack_unit_name(enum stack_unit unit)
{
	return units[unit].name;
}

double stack_unit_divisor(enum stack_unit unit)
{
	return units[unit].divisor;
}

int stack_unit_fits(const struct profile *profile, enum stack_unit unit)
{
	return unit == STACK_UNIT_DEFAULT || unit == STACK_UNIT_SAMPLES ||
	       units[unit].needs == profile->unit;
}

int stack_unit_parse(const char *text, size_t length, enum stack_unit *unit)
{
	for (int i = STACK_UNIT_SAMPLES; i < STACK_UNIT_COUNT; i++) {
		if (strlen(units[i].name) == length && memcmp(units[i].name, text, length) == 0) {
			*unit = (enum stack_unit)i;
			return 0;
		}
	}
	return -EINVAL;
}

enum stack_unit stack_unit_of(const struct profile *profile, enum stack_unit unit)
{
	if (unit != STACK_UNIT_DEFAULT)
		return unit;
	if (profile->unit == PROFILE_BYTES)
		return STACK_UNIT_BYTES;
	if (profile->unit == PROFILE_NS &&
	    strcmp(profile_text(profile, profile->event), "cpu") != 0)
		return STACK_UNIT_US;
	return STACK_UNIT_SAMPLES;
}

static uint32_t copy_text(struct profile *to, const struct profile *from, uint32_t id)
{
	const struct intern_string *string = &from->strings.strings[id];

	return intern_add(&to->strings, string->text, string->length);
}

static void copy_counts(struct profile *to, const struct profile *from)
{
	to->taken += from->taken;
	for (uint32_t i = 0; i < from->lost_count; i++)
		profile_add_lost(to, profile_text(from, from->lost[i].name), from->lost[i].value);
	for (uint32_t i = 0; i < from->note_count; i++)
		profile_add_note(to, profile_text(from, from->notes[i]));
}

static void copy_origin(struct profile *to, const struct profile *from)
{
	to->event = copy_text(to, from, from->event);
	to->source = copy_text(to, from, from->source);
	to->host = copy_text(to, from, from->host);
	to->version = copy_text(to, from, from->version);
	to->target = copy_text(to, from, from->target);
	to->unit = from->unit;
	to->rate_hz = from->rate_hz;
	to->interval = from->interval;
	to->cost_percent = from->cost_percent;
	to->scale_low = from->scale_low;
	to->scale_high = from->scale_high;
	to->asked = from->asked;
	to->covered = from->covered;
	copy_counts(to, from);
}

/* "a", "b": "a, b". */
static void join_text(struct profile *to, uint32_t *id, const struct profile *from, uint32_t other)
{
	const char *before = profile_text(to, *id), *text = profile_text(from, other);

	if (!*before)
		*id = profile_string(to, text);
	else if (*text && !strstr(before, text)) {
		_cleanup_free_ char *both = memory_format("%s, %s", before, text);

		*id = profile_string(to, both);
	}
}

static void join_windows(struct profile_window *window, const struct profile_window *other)
{
	if (other->to_ns && (!window->to_ns || other->from_ns < window->from_ns))
		window->from_ns = other->from_ns;
	if (other->to_ns > window->to_ns)
		window->to_ns = other->to_ns;
}

/* Where stacks of several profiles come from: what they do not share is not told. */
static void join_origin(struct profile *to, const struct profile *from)
{
	join_text(to, &to->source, from, from->source);
	join_text(to, &to->host, from, from->host);
	join_text(to, &to->version, from, from->version);
	join_text(to, &to->target, from, from->target);
	join_windows(&to->asked, &from->asked);
	join_windows(&to->covered, &from->covered);
	if (to->rate_hz != from->rate_hz)
		to->rate_hz = to->interval = 0;
	to->cost_percent = -1;
	copy_counts(to, from);
}

/* The frames of one profile as frames of another. Owned (free). */
static uint32_t *copy_frames(struct profile *to, const struct profile *from)
{
	uint32_t *numbers = memory_new((from->frame_count + 1) * sizeof(*numbers));

	for (uint32_t i = 0; i < from->frame_count; i++) {
		struct profile_frame frame = from->frames[i];

		frame.name = copy_text(to, from, frame.name);
		frame.module = copy_text(to, from, frame.module);
		frame.file = copy_text(to, from, frame.file);
		numbers[i] = profile_add_frame(to, &frame);
	}
	return numbers;
}

/* A level that is no code: "name" or "name/number". */
static uint32_t add_level(struct profile *to, const char *name, uint32_t number, int is_numbered)
{
	_cleanup_free_ char *text =
		is_numbered ? memory_format("%s/%u", name, number) : memory_format("%s", name);
	struct profile_frame frame = {.name = profile_string(to, text), .kind = FRAME_PROCESS};

	return profile_add_frame(to, &frame);
}

struct layout {
	struct stack_list *list;
	const struct profile *profile;
	uint32_t *frames;         /* by frame number of profile */
	uint32_t *process_frames; /* by process number */
	uint32_t *thread_frames;  /* by thread number; NULL: no such level */
	uint32_t *stack;
	size_t stack_capacity;
};

static void layout_fini(struct layout *layout)
{
	free(layout->frames);
	free(layout->process_frames);
	free(layout->thread_frames);
	free(layout->stack);
}

static void layout_init(struct layout *layout, struct stack_list *list,
			const struct profile *profile, const struct stack_levels *levels)
{
	layout->list = list;
	layout->profile = profile;
	layout->frames = copy_frames(list->profile, profile);
	layout->process_frames =
		memory_new((profile->process_count + 1) * sizeof(*layout->process_frames));
	for (uint32_t i = 0; i < profile->process_count; i++)
		layout->process_frames[i] =
			add_level(list->profile, profile_text(profile, profile->processes[i].name),
				  profile->processes[i].pid, levels->by_process);
	if (!levels->by_thread)
		return;
	layout->thread_frames =
		memory_new((profile->thread_count + 1) * sizeof(*layout->thread_frames));
	for (uint32_t i = 0; i < profile->thread_count; i++)
		layout->thread_frames[i] =
			add_level(list->profile, profile_text(profile, profile->threads[i].name),
				  profile->threads[i].tid, 1);
}

/* Fill layout->stack from the row, root first, and return its depth. */
static uint32_t find_stack(struct layout *layout, const struct profile_row *row)
{
	const struct profile *profile = layout->profile;
	uint32_t levels = 0, depth = 0;

	for (uint32_t node = row->node; node != PROFILE_NO_NODE && depth < MAX_DEPTH;
	     node = profile->nodes[node].parent)
		depth++;
	layout->stack = memory_grow(layout->stack, &layout->stack_capacity, (size_t)depth + 2,
				    sizeof(*layout->stack));
	if (row->thread != PROFILE_NO_THREAD) {
		layout->stack[levels++] =
			layout->process_frames[profile->threads[row->thread].process];
		if (layout->thread_frames)
			layout->stack[levels++] = layout->thread_frames[row->thread];
	}
	uint32_t node = row->node;
	for (uint32_t i = depth; i > 0; i--, node = profile->nodes[node].parent)
		layout->stack[levels + i - 1] = layout->frames[profile->nodes[node].frame];
	return levels + depth;
}

/* The value of a row, and with it how much of a weight that is. */
static double row_value(const struct profile_row *row, enum stack_unit unit, double *scale)
{
	double value = unit == STACK_UNIT_SAMPLES ? row->count : row->weight / units[unit].divisor;

	*scale = row->weight > 0 ? value / row->weight : 0;
	return value;
}

/* Row i of the profile is the stack with number first + i. */
static void add_slices(struct stack_list *list, const struct profile *profile, enum stack_unit unit,
		       uint32_t first, int which)
{
	struct stack_slices *slices = &list->slices[which];

	for (uint32_t i = 0; i < profile->slice_row_count; i++) {
		const struct profile_slice_row *row = &profile->slice_rows[i];
		double scale;

		row_value(&profile->rows[row->row], unit, &scale);
		slices->rows = memory_grow(slices->rows, &slices->row_capacity,
					   slices->row_count + 1, sizeof(*slices->rows));
		slices->rows[slices->row_count++] =
			(struct stack_slice){first + row->row, row->slice, row->weight * scale};
	}
	slices->count = profile->slice_count;
}

int profile_stacks_add(struct stack_list *list, const struct profile *profile,
		       const struct stack_levels *levels, int which)
{
	_cleanup_(layout_fini) struct layout layout = {0};
	enum stack_unit unit = stack_unit_of(profile, levels->unit);
	uint32_t first = list->stack_count;
	int error = 0;

	if (!stack_unit_fits(profile, unit))
		return -EINVAL;
	if (list->profile->event && strcmp(list->unit_name, units[unit].name) != 0)
		return -EDOM;
	if (!list->profile->event)
		copy_origin(list->profile, profile);
	else if (!list->has_two)
		join_origin(list->profile, profile);
	layout_init(&layout, list, profile, levels);
	list->has_modules = 1;
	list->unit_name = units[unit].name;
	for (uint32_t i = 0; i < profile->row_count && !error; i++) {
		const struct profile_row *row = &profile->rows[i];
		double values[STACK_VALUES] = {0};
		double scale;
		uint32_t depth = find_stack(&layout, row);

		values[which] = row_value(row, unit, &scale);
		error = stack_list_add(list, layout.stack, depth, values[STACK_BEFORE],
				       values[STACK_AFTER]);
		if (!error)
			list->stacks[list->stack_count - 1].variances[which] =
				row->variance * scale * scale;
	}
	if (!error && list->slices[which].count == 0)
		add_slices(list, profile, unit, first, which);
	return error;
}

struct profile *profile_stacks_collect(const struct stack_list *list, int which)
{
	_cleanup_free_ uint32_t *rows = NULL;

	return profile_stacks_collect_rows(list, which, &rows);
}

struct profile *profile_stacks_collect_rows(const struct stack_list *list, int which,
					    uint32_t **rows)
{
	struct profile *profile = profile_new();
	_cleanup_free_ uint32_t *frames = copy_frames(profile, list->profile);
	double sample_value = stack_list_sample_value(list, which);

	copy_origin(profile, list->profile);
	*rows = memory_resize(NULL, (size_t)list->stack_count + 1, sizeof(**rows));
	for (uint32_t i = 0; i < list->stack_count; i++) {
		const struct stack *stack = &list->stacks[i];
		uint32_t node = PROFILE_NO_NODE;

		(*rows)[i] = PROFILE_NO_ROW;
		if (stack->values[which] <= 0)
			continue;
		for (uint32_t k = 0; k < stack->depth; k++)
			node = profile_add_node(profile, node,
						frames[list->frames[stack->first + k]]);
		double variance = stack->variances[which];
		(*rows)[i] = profile_add_row(profile, PROFILE_NO_THREAD, node, stack->values[which],
					     stack->values[which],
					     variance > 0 ? variance
							  : sample_value * stack->values[which]);
	}
	return profile;
}
