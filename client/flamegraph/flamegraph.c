/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/flamegraph.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/frames.h"
#include "client/flamegraph/picture.h"
#include "client/flamegraph/svg.h"

/* A list of more frames than this is embedded as it is drawn, without what is too narrow. */
#define MAX_EMBEDDED_FRAMES 300000

/* The frames of a layout as a profile of values number which: what is too narrow counts below. */
static struct profile *collect_drawn(const struct stack_list *list, const struct layout *layout,
				     int which)
{
	struct profile *profile = profile_new();
	_cleanup_free_ uint32_t *nodes = memory_new(layout->count * sizeof(*nodes));
	_cleanup_free_ double *values = memory_new(layout->count * sizeof(*values));
	double sample_value = stack_list_sample_value(list, which);

	nodes[0] = PROFILE_NO_NODE;
	for (uint32_t i = 0; i < layout->count; i++)
		values[i] = layout->frames[i].totals[which];
	for (uint32_t i = 1; i < layout->count; i++) {
		const struct layout_frame *frame = &layout->frames[i];
		struct profile_frame named = list->profile->frames[frame->frame];

		named.name = profile_string(profile, stack_list_name(list, frame->frame));
		named.module = named.file = 0;
		nodes[i] = profile_add_node(profile, nodes[frame->parent],
					    profile_add_frame(profile, &named));
		values[frame->parent] -= layout->frames[i].totals[which];
	}
	for (uint32_t i = 0; i < layout->count; i++)
		if (values[i] > 0)
			profile_add_row(profile, PROFILE_NO_THREAD, nodes[i], values[i], values[i],
					values[i] * sample_value);
	profile_add_note(profile, "of so many stacks only what is drawn is in the file: narrower "
				  "frames count for the callers below them");
	return profile;
}

/* What a picture holds of a list that is too large to be kept as it is. */
struct drawn {
	struct profile *profile;
	struct profile *base;
};

static void drawn_fini(struct drawn *drawn)
{
	profile_free(drawn->profile);
	profile_free(drawn->base);
	*drawn = (struct drawn){0};
}

static void drawn_init(struct drawn *drawn, const struct stack_list *list,
		       const struct layout *layout, struct svg_content *content)
{
	content->profile = drawn->profile =
		collect_drawn(list, layout, list->has_two ? STACK_AFTER : STACK_BEFORE);
	if (list->has_two)
		content->base = drawn->base = collect_drawn(list, layout, STACK_BEFORE);
}

/* Stacks that are drawn turned round, or with wakers marked, are kept as they came. */
static int is_drawn_as_it_is(const struct flamegraph_options *options)
{
	return !options->reverse && strcmp(options->colors, "chain") != 0;
}

/* Keep what would be drawn of the list as it is. */
static void keep_before_turning(struct drawn *drawn, const struct stack_list *list,
				const struct flamegraph_options *options,
				struct svg_content *content)
{
	struct layout_settings settings = {.width_by = options->width_by};
	double total = layout_total(list, options->width_by);
	struct layout layout;

	settings.minimum = options->min_width_is_percent
				   ? total * options->min_width / 100
				   : total * options->min_width / PICTURE_DEFAULT_WIDTH;
	layout_init(&layout, list, &settings);
	drawn_init(drawn, list, &layout, content);
	layout_fini(&layout);
}

/* Write through a buffer and convert that: names of any script are in it as UTF-8. */
static int write_encoded(const char *text, size_t length, const char *encoding, FILE *file)
{
	_cleanup_free_ char *target = memory_format("%s//TRANSLIT", encoding);
	iconv_t converter = iconv_open(target, "UTF-8");
	char piece[4096];

	if (converter == (iconv_t)-1)
		return -EINVAL;
	_cleanup_free_ char *copy = memory_copy_text(text, length);
	char *at = copy;
	while (length) {
		char *out = piece;
		size_t room = sizeof(piece);
		size_t status = iconv(converter, &at, &length, &out, &room);

		fwrite(piece, 1, sizeof(piece) - room, file);
		if (status == (size_t)-1 && errno != E2BIG) {
			/* Not in that encoding, not even nearly: leave the byte out. */
			at++;
			length--;
		}
	}
	iconv_close(converter);
	return ferror(file) ? -EIO : 0;
}

static int write_svg(const struct picture *picture, const struct svg_content *content, FILE *file)
{
	const char *encoding = picture->options->encoding;
	char *text = NULL;
	size_t length = 0;

	if (!encoding || strcasecmp(encoding, "UTF-8") == 0)
		return svg_write(picture, content, file);
	FILE *buffer = open_memstream(&text, &length);
	if (!buffer)
		return -errno;
	int error = svg_write(picture, content, buffer);
	fclose(buffer);
	if (!error)
		error = write_encoded(text, length, encoding, file);
	free(text);
	return error;
}

static int draw(struct stack_list *list, struct svg_content *content,
		const struct flamegraph_options *options, enum flamegraph_format format, FILE *file)
{
	_cleanup_(picture_fini) struct picture picture;
	_cleanup_(drawn_fini) struct drawn drawn = {0};

	if (format == FLAMEGRAPH_SVG && !content->profile && !is_drawn_as_it_is(options))
		keep_before_turning(&drawn, list, options, content);
	int error = picture_init(&picture, list, options);
	if (error)
		return error;
	if (format == FLAMEGRAPH_FRAMES)
		return frames_write(&picture, file);
	if (!content->profile)
		drawn_init(&drawn, list, &picture.layout, content);
	return write_svg(&picture, content, file);
}

/* Draw a list of one value that holds the rows of profile and nothing else, in their order. */
static int draw_profile(struct stack_list *list, const struct profile *profile,
			const struct stack_levels *levels, const struct flamegraph_options *options,
			enum flamegraph_format format, FILE *file)
{
	struct svg_content content = {.profile = profile, .levels = *levels};
	_cleanup_free_ uint32_t *rows = NULL;

	if (options->flamechart) {
		rows = memory_resize(NULL, (size_t)list->stack_count + 1, sizeof(*rows));
		for (uint32_t i = 0; i < list->stack_count; i++)
			rows[i] = i;
		content.rows = rows;
	}
	return draw(list, &content, options, format, file);
}

int flamegraph_write(const struct profile *profile, const struct stack_levels *levels,
		     const struct flamegraph_options *options, enum flamegraph_format format,
		     FILE *file)
{
	_cleanup_(stack_list_fini) struct stack_list list;

	stack_list_init(&list);
	int error = profile_stacks_add(&list, profile, levels, STACK_BEFORE);
	return error ? error : draw_profile(&list, profile, levels, options, format, file);
}

int flamegraph_write_stacks(struct stack_list *list, const struct stack_levels *levels,
			    const struct flamegraph_options *options, enum flamegraph_format format,
			    FILE *file)
{
	int which = list->has_two ? STACK_AFTER : STACK_BEFORE;
	struct svg_content content = {.levels = *levels};
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(profile_freep) struct profile *base = NULL;
	_cleanup_free_ uint32_t *rows = NULL;

	if (list->origins[which] && !list->has_two)
		return draw_profile(list, list->origins[which], levels, options, format, file);
	if (list->origins[which]) {
		content.profile = list->origins[which];
		content.base = list->origins[STACK_BEFORE];
	} else if (format == FLAMEGRAPH_SVG && list->frame_count <= MAX_EMBEDDED_FRAMES) {
		content.profile = profile = profile_stacks_collect_rows(list, which, &rows);
		if (list->has_two)
			content.base = base = profile_stacks_collect(list, STACK_BEFORE);
		else if (options->flamechart)
			content.rows = rows;
	}
	return draw(list, &content, options, format, file);
}

int flamegraph_write_difference(struct stack_list *list, const struct profile *base,
				const struct profile *shown, const struct stack_levels *levels,
				const struct flamegraph_options *options,
				enum flamegraph_format format, FILE *file)
{
	struct svg_content content = {.profile = shown, .base = base, .levels = *levels};

	return draw(list, &content, options, format, file);
}

const char *flamegraph_error(int error)
{
	switch (error) {
	case -ENODATA:
		return "no stack has a count: there is nothing to draw";
	case -E2BIG:
		return "too many frames";
	case -EINVAL:
		return "the unit or the encoding is not known, or the file of --nameattr has a line "
		       "that is not name<TAB>key=value with id, class, href, target, title, g_extra or "
		       "a_extra";
	default:
		return strerror(-error);
	}
}
