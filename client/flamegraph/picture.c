/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/picture.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/palette_map.h"
#include "common/clock.h"
#include "common/utf8.h"

/* Room around the frames, in font sizes and px, as flamegraph.pl leaves it. */
#define TOP_FONTS      3
#define SUBTITLE_FONTS 2
#define BOTTOM_FONTS   2
#define BOTTOM_PIXELS  10
#define SIDE_PIXELS    10
#define FRAME_GAP      1

#define SHORTEST_LABEL 3 /* characters */

/* A waker's frames are those behind a "--"; every stack gets one, as flamegraph.pl does it. */
static int mark_wakers(struct stack_list *list)
{
	_cleanup_(stack_list_fini) struct stack_list before = *list;
	uint32_t separator = stack_list_frame(&before, "--", 2);
	struct stack_list marked = before;
	_cleanup_free_ uint32_t *frames = NULL;
	size_t capacity = 0;
	int error = 0;

	marked.frames = NULL;
	marked.frame_count = marked.frame_capacity = 0;
	marked.stacks = NULL;
	marked.stack_count = 0;
	marked.stack_capacity = 0;
	for (uint32_t i = 0; i < before.stack_count && !error; i++) {
		const struct stack *stack = &before.stacks[i];
		uint32_t depth = stack->depth;
		int is_waker = 0;

		frames = memory_grow(frames, &capacity, (size_t)depth + 1, sizeof(*frames));
		for (uint32_t k = 0; k < depth; k++) {
			uint32_t frame = before.frames[stack->first + k];

			frames[k] = frame;
			if (frame == separator) {
				is_waker = 1;
			} else if (is_waker) {
				_cleanup_free_ char *name =
					memory_format("%s_[w]", stack_list_name(&marked, frame));

				frames[k] = stack_list_frame(&marked, name, strlen(name));
			}
		}
		if (!is_waker)
			frames[depth++] = separator;
		error = stack_list_add(&marked, frames, depth, stack->values[STACK_BEFORE],
				       stack->values[STACK_AFTER]);
	}
	/* Everything but the stacks moved on to the new list. */
	before.profile = NULL;
	before.named_frames = NULL;
	memset(before.origins, 0, sizeof(before.origins));
	memset(before.slices, 0, sizeof(before.slices));
	*list = marked;
	return error;
}

const char *picture_name(const struct picture *picture, uint32_t number, size_t *length)
{
	uint32_t frame = picture->layout.frames[number].frame;

	if (frame == LAYOUT_ROOT) {
		*length = 0;
		return "";
	}
	const struct profile *profile = picture->list->profile;
	const struct intern_string *name = &profile->strings.strings[profile->frames[frame].name];
	*length = name->length;
	if (stack_annotation(name->text, name->length))
		*length -= STACK_ANNOTATION_LENGTH;
	return name->text;
}

static double delta_of(const struct picture *picture, const struct layout_frame *frame)
{
	double delta = frame->selves[STACK_AFTER] - frame->selves[STACK_BEFORE];

	/* Never -0. */
	return picture->options->negate && delta != 0 ? -delta : delta;
}

/* The colour of a frame's name, annotation included, by palette, map and mode. */
static struct color name_color(const struct picture *picture, const char *name, size_t length,
			       enum frame_kind kind, struct palette_map *map)
{
	const struct flamegraph_options *options = picture->options;
	enum palette_mode mode = options->hash     ? PALETTE_BY_HASH
				 : options->random ? PALETTE_RANDOM
						   : PALETTE_BY_NAME;
	struct color color;

	if (map && palette_map_find(map, name, length, &color))
		return color;
	color = palette_color(options->colors, mode, name, length, kind);
	if (map)
		palette_map_add(map, name, length, color);
	return color;
}

static struct color change_color(const struct picture *picture, const struct change *change)
{
	double delta = change->after - change->before;

	if (!change->is_significant)
		return (struct color){216, 216, 216};
	return palette_change_color(picture->options->negate && delta != 0 ? -delta : delta,
				    picture->difference.limit);
}

static struct color frame_color(const struct picture *picture, uint32_t number,
				struct palette_map *map)
{
	const struct layout_frame *frame = &picture->layout.frames[number];
	const struct profile *profile = picture->list->profile;
	const char *name = "";
	size_t length = 0;
	enum frame_kind kind = FRAME_PROCESS;
	struct color color;

	if (frame->frame != LAYOUT_ROOT) {
		const struct intern_string *string =
			&profile->strings.strings[profile->frames[frame->frame].name];

		name = string->text;
		length = string->length;
		kind = (enum frame_kind)profile->frames[frame->frame].kind;
	}
	if (palette_separator_color(name, length, &color))
		return color;
	if (picture->difference.count)
		return change_color(picture, &picture->difference.changes[number]);
	if (picture->list->has_two)
		return palette_delta_color(delta_of(picture, frame), picture->layout.delta_limit);
	return name_color(picture, name, length, kind, map);
}

static int color_frames(struct picture *picture)
{
	_cleanup_(palette_map_fini) struct palette_map map;
	int error = 0;

	palette_map_init(&map);
	if (picture->options->color_map)
		error = palette_map_read(&map, PALETTE_MAP_FILE);
	picture->colors = memory_resize(NULL, picture->layout.count, sizeof(*picture->colors));
	for (uint32_t i = 0; i < picture->layout.count; i++)
		picture->colors[i] =
			frame_color(picture, i, picture->options->color_map ? &map : NULL);
	if (!error && picture->options->color_map)
		error = palette_map_write(&map, PALETTE_MAP_FILE);
	return error;
}

/* The margins do not depend on the frames, the height does. */
static void set_size(struct picture *picture)
{
	const struct flamegraph_options *options = picture->options;

	picture->width = options->width > 0 ? options->width : PICTURE_DEFAULT_WIDTH;
	picture->side = SIDE_PIXELS;
	picture->top = options->font_size * TOP_FONTS;
	picture->bottom = options->font_size * BOTTOM_FONTS + BOTTOM_PIXELS;
	if (options->subtitle && *options->subtitle)
		picture->top += options->font_size * SUBTITLE_FONTS;
	picture->scale = (picture->width - 2 * picture->side) / picture->total;
}

static const char *default_title(const struct flamegraph_options *options, int is_difference)
{
	if (is_difference)
		return "Differential Flame Graph";
	if (options->flamechart)
		return "Flame Chart";
	return options->inverted ? "Icicle Graph" : "Flame Graph";
}

int picture_init(struct picture *picture, struct stack_list *list,
		 const struct flamegraph_options *options)
{
	struct layout_settings settings = {
		.width_by = options->width_by,
		.keep_order = options->flamechart,
	};
	int error = 0;

	*picture = (struct picture){.options = options, .list = list};
	picture->title = options->title
				 ? options->title
				 : default_title(options, list->has_two && options->compare_shares);
	picture->count_name = options->count_name ? options->count_name : list->unit_name;
	name_attributes_init(&picture->attributes);
	if (options->name_attributes)
		error = name_attributes_read(&picture->attributes, options->name_attributes);
	if (error)
		return error;
	if (options->random)
		srand48((long)clock_wall_ns());
	if (options->reverse)
		stack_list_reverse(list);
	if (strcmp(options->colors, "chain") == 0)
		error = mark_wakers(list);
	if (error)
		return error;
	if (list->has_two && options->compare_shares) {
		double before = stack_list_total(list, STACK_BEFORE);
		double after = stack_list_total(list, STACK_AFTER);

		/* Equal stacks become one, which is as wide as the larger of its two shares. */
		stack_list_merge_equal(list);
		list->before_scale = before > 0 && after > 0 ? after / before : 1;
	}
	picture->total = layout_total(list, options->width_by);
	if (picture->total <= 0)
		return -ENODATA;
	if (options->total > picture->total)
		picture->total = options->total;
	set_size(picture);
	settings.minimum = options->min_width_is_percent ? picture->total * options->min_width / 100
							 : options->min_width / picture->scale;
	layout_init(&picture->layout, list, &settings);
	/* The root is all there is, also when the scale goes further. */
	picture->layout.frames[0].width = picture->total;
	if (list->has_two && options->compare_shares)
		difference_init(&picture->difference, list, &picture->layout,
				options->significance);
	picture->height = (picture->layout.max_depth + 1) * options->frame_height + picture->top +
			  picture->bottom;
	return color_frames(picture);
}

void picture_fini(struct picture *picture)
{
	layout_fini(&picture->layout);
	difference_fini(&picture->difference);
	name_attributes_fini(&picture->attributes);
	free(picture->colors);
	*picture = (struct picture){0};
}

/* As "%.1f" writes it and everybody reads it: the nearest tenth, of two the even one. */
static double round_to_tenths(double value)
{
	double tenths = nearbyint(value * 10);
	/* What the rounding of the product hides. */
	double rest = fma(value, 10, -tenths);

	if (fabs(rest) > 0.5)
		tenths += rest > 0 ? 1 : -1;
	else if (fabs(rest) == 0.5 && fmod(tenths, 2) != 0)
		tenths += rest > 0 ? 1 : -1;
	return tenths / 10;
}

struct box picture_box(const struct picture *picture, uint32_t number)
{
	const struct layout_frame *frame = &picture->layout.frames[number];
	double left = round_to_tenths(picture->side + frame->start * picture->scale);
	double right =
		round_to_tenths(picture->side + (frame->start + frame->width) * picture->scale);
	double height = picture->options->frame_height;
	double y = picture->top + frame->depth * height;

	if (!picture->options->inverted)
		y = picture->height - picture->bottom - (frame->depth + 1) * height + FRAME_GAP;
	return (struct box){left, y, right - left, height - FRAME_GAP};
}

/* Where character number count of text begins; *rest becomes how many there are from there on. */
static size_t skip_characters(const char *text, size_t length, size_t count)
{
	size_t at = 0;
	uint32_t code_point;

	while (count-- > 0 && at < length) {
		size_t step = utf8_read(text + at, length - at, &code_point);

		at += step ? step : 1;
	}
	return at;
}

static size_t count_characters(const char *text, size_t length)
{
	size_t count = 0;

	for (size_t at = 0; at < length; count++)
		at += skip_characters(text + at, length - at, 1);
	return count;
}

static int keeps_end(const char *cut_side, const char *name, size_t length)
{
	/* The end of a scope or a path says most, but a path behind a blank is where the name is from. */
	if (strcmp(cut_side, "auto") == 0)
		return memmem(name, length, "::", 2) ||
		       (memchr(name, '/', length) && !memchr(name, ' ', length));
	return strcmp(cut_side, "left") == 0;
}

char *picture_label(const struct picture *picture, uint32_t number)
{
	const struct flamegraph_options *options = picture->options;
	const struct layout_frame *frame = &picture->layout.frames[number];
	/* Rounded only here, so that a frame has room for as much as flamegraph.pl thinks. */
	double left = picture->side + frame->start * picture->scale;
	double right = picture->side + (frame->start + frame->width) * picture->scale;
	double room = floor((right - left) / (options->font_size * options->font_width));
	size_t length;
	const char *name = picture_name(picture, number, &length);

	if (room < SHORTEST_LABEL)
		return memory_format("%s", "");
	size_t count = count_characters(name, length);
	size_t keep = room < (double)count ? (size_t)room : count;
	if (keep == count)
		return memory_format("%.*s", (int)length, name);
	if (keeps_end(options->cut_side, name, length)) {
		size_t skipped = skip_characters(name, length, count - (keep - 2));

		return memory_format("..%.*s", (int)(length - skipped), name + skipped);
	}
	return memory_format("%.*s..", (int)skip_characters(name, length, keep - 2), name);
}

char *picture_count(double value)
{
	char digits[64];
	char grouped[96];
	size_t used = 0;

	snprintf(digits, sizeof(digits), "%.0f", value);
	size_t length = strlen(digits);
	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0 && digits[i - 1] != '-')
			grouped[used++] = ',';
		grouped[used++] = digits[i];
	}
	return memory_copy_text(grouped, used);
}

const char *picture_attribute(const struct picture *picture, uint32_t number,
			      enum name_attribute attribute)
{
	uint32_t frame = picture->layout.frames[number].frame;

	if (frame == LAYOUT_ROOT || !picture->attributes.rows)
		return NULL;
	const struct profile *profile = picture->list->profile;
	const struct intern_string *name = &profile->strings.strings[profile->frames[frame].name];
	return name_attributes_find(&picture->attributes, name->text, name->length, attribute);
}

/* "name (10.00% before, 13.00% after, +3.00%, 95%: +1.40 to +4.60)" */
static char *change_title(const struct picture *picture, uint32_t number)
{
	const struct change *change = &picture->difference.changes[number];
	size_t length;
	const char *name = picture_name(picture, number, &length);

	if (picture->layout.frames[number].frame == LAYOUT_ROOT) {
		name = "all";
		length = strlen(name);
	}
	return memory_format("%.*s (%.2f%% before, %.2f%% after, %+.2f%%, 95%%: %+.2f to %+.2f; "
			     "self %.2f%% before, %.2f%% after)%s",
			     (int)length, name, 100 * change->before, 100 * change->after,
			     100 * (change->after - change->before), 100 * change->low,
			     100 * change->high, 100 * change->own_before, 100 * change->own_after,
			     change->is_significant ? "" : ", not significant");
}

char *picture_title(const struct picture *picture, uint32_t number)
{
	const struct layout_frame *frame = &picture->layout.frames[number];
	double factor = picture->options->factor;
	/* Percentages are of the rounded count, as flamegraph.pl shows them. */
	double count = nearbyint(frame->width * factor);
	double whole = picture->total * factor;
	_cleanup_free_ char *text = picture_count(count);
	size_t length;
	const char *name = picture_name(picture, number, &length);
	const char *given = picture_attribute(picture, number, ATTRIBUTE_TITLE);

	if (given)
		return memory_copy_text(given, strlen(given));
	if (picture->difference.count)
		return change_title(picture, number);
	if (frame->frame == LAYOUT_ROOT)
		return memory_format("all (%s %s, 100%%)", text, picture->count_name);
	if (!picture->list->has_two)
		return memory_format("%.*s (%s %s, %.2f%%)", (int)length, name, text,
				     picture->count_name, 100 * count / whole);
	double delta = delta_of(picture, frame);
	return memory_format("%.*s (%s %s, %.2f%%; %s%.2f%%)", (int)length, name, text,
			     picture->count_name, 100 * count / whole, delta > 0 ? "+" : "",
			     100 * delta / whole);
}
