/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg_frames.h"

#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/picture.h"
#include "client/flamegraph/svg_kind.h"
#include "client/flamegraph/xml.h"

/* Where a picture has more frames than this, narrow ones share paths: so narrow that this holds. */
#define MANY_FRAMES       10000
#define MAX_SINGLE_FRAMES 2500
#define SINGLE_PIXELS     3
#define FEW_SINGLE_PIXELS 0.5 /* nobody points at half a pixel */
#define MAX_SINGLE_PIXELS 100
#define NARROW_GAP        0.3 /* pixels between frames that cannot be seen */

/* How a frame is painted: frames that are painted alike share a group that says so. */
struct fill {
	char text[32]; /* an attribute */
};

static struct fill find_fill(const struct picture *picture, uint32_t number)
{
	const struct layout_frame *frame = &picture->layout.frames[number];
	const struct color *color = &picture->colors[number];
	enum frame_kind kind = FRAME_PROCESS;
	struct fill fill;
	size_t length;

	if (!svg_kind_is_shown(picture)) {
		snprintf(fill.text, sizeof(fill.text), "fill=\"#%02x%02x%02x\"", color->red,
			 color->green, color->blue);
		return fill;
	}
	if (frame->frame != LAYOUT_ROOT)
		kind = (enum frame_kind)picture->list->profile->frames[frame->frame].kind;
	const char *name = picture_name(picture, number, &length);
	svg_kind_class(kind, palette_shade(name, length), fill.text);
	return fill;
}

/* The attributes of an element that the frame was given; extra ones are markup already. */
static void write_attributes(const struct picture *picture, uint32_t number,
			     const enum name_attribute *plain, size_t count,
			     enum name_attribute extra, FILE *file)
{
	const char *value = picture_attribute(picture, number, extra);

	for (size_t i = 0; i < count; i++) {
		const char *text = picture_attribute(picture, number, plain[i]);

		if (!text)
			continue;
		fprintf(file, " %s%s=\"", plain[i] == ATTRIBUTE_HREF ? "xlink:" : "",
			name_attribute_key(plain[i]));
		xml_write_text(text, file);
		fputc('"', file);
	}
	if (value)
		fprintf(file, " %s", value);
}

static void write_frame(const struct picture *picture, uint32_t number, const char *fill,
			FILE *file);

/* A frame with attributes is in a group, and in a link if it has one. */
static void write_attributed_frame(const struct picture *picture, uint32_t number, const char *fill,
				   FILE *file)
{
	static const enum name_attribute group[] = {ATTRIBUTE_ID, ATTRIBUTE_CLASS};
	static const enum name_attribute link[] = {ATTRIBUTE_HREF, ATTRIBUTE_TARGET};
	int has_link = picture_attribute(picture, number, ATTRIBUTE_HREF) != NULL;

	fputs("<g", file);
	write_attributes(picture, number, group, ARRAY_SIZE(group), ATTRIBUTE_G_EXTRA, file);
	fputc('>', file);
	if (has_link) {
		fputs("<a", file);
		write_attributes(picture, number, link, ARRAY_SIZE(link), ATTRIBUTE_A_EXTRA, file);
		fputc('>', file);
	}
	write_frame(picture, number, fill, file);
	fputs(has_link ? "</a></g>" : "</g>", file);
}

static int has_attributes(const struct picture *picture, uint32_t number)
{
	for (int attribute = 0; attribute < ATTRIBUTE_COUNT; attribute++)
		if (picture_attribute(picture, number, (enum name_attribute)attribute))
			return 1;
	return 0;
}

/*
 * A frame in groups that say in which row it is and, unless fill does, how it is painted; the sheet
 * says how high it is.
 */
static void write_frame(const struct picture *picture, uint32_t number, const char *fill,
			FILE *file)
{
	struct box box = picture_box(picture, number);
	_cleanup_free_ char *title = picture_title(picture, number);
	_cleanup_free_ char *label = picture_label(picture, number);
	int is_gone = picture->difference.count && picture->difference.changes[number].after <= 0;

	fprintf(file, "<rect%s%s%s x=\"%g\" width=\"%g\"><title>", is_gone ? " class=\"gone\"" : "",
		*fill ? " " : "", fill, box.x, box.width);
	xml_write_text(title, file);
	fputs("</title></rect>", file);
	if (*label) {
		fprintf(file, "<text x=\"%g\">", box.x + 3);
		xml_write_text(label, file);
		fputs("</text>", file);
	}
}

/* A frame too narrow to be pointed at. */
struct narrow_frame {
	struct color color; /* coarse */
	uint32_t depth;
	double start;
	uint32_t number;
};

/* Neighbours of nearly the same colour are one for the eye. */
static struct color coarse_color(const struct picture *picture, uint32_t number)
{
	const struct layout_frame *frame = &picture->layout.frames[number];
	const struct color *color = &picture->colors[number];

	if (svg_kind_is_shown(picture))
		return palette_kind_shade(
			(enum frame_kind)picture->list->profile->frames[frame->frame].kind, 1);
	return (struct color){color->red | 0x1f, color->green | 0x1f, color->blue | 0x1f};
}

static int compare_narrow(const void *left, const void *right)
{
	const struct narrow_frame *a = left, *b = right;
	int order = memcmp(&a->color, &b->color, sizeof(a->color));

	if (order)
		return order;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return (a->start > b->start) - (a->start < b->start);
}

/* How many frames from first on lie side by side without a gap that could be seen. */
static uint32_t count_run(const struct picture *picture, const struct narrow_frame *narrow,
			  uint32_t first, uint32_t count, double *right)
{
	struct box box = picture_box(picture, narrow[first].number);
	uint32_t i = first + 1;

	*right = box.x + box.width;
	for (; i < count &&
	       memcmp(&narrow[i].color, &narrow[first].color, sizeof(struct color)) == 0 &&
	       narrow[i].depth == narrow[first].depth;
	     i++) {
		box = picture_box(picture, narrow[i].number);
		if (box.x > *right + NARROW_GAP || box.width >= SINGLE_PIXELS)
			break;
		*right = box.x + box.width;
	}
	return i - first;
}

/* One path for all narrow frames of a colour in a row: what is small is painted fast. */
static void write_narrow_frames(const struct picture *picture, struct narrow_frame *narrow,
				uint32_t count, FILE *file)
{
	const struct narrow_frame *before = NULL;

	qsort(narrow, count, sizeof(*narrow), compare_narrow);
	for (uint32_t i = 0; i < count;) {
		const struct color *color = &narrow[i].color;
		int is_new = !before || before->depth != narrow[i].depth ||
			     memcmp(&before->color, color, sizeof(*color)) != 0;
		struct box box = picture_box(picture, narrow[i].number);
		double right;

		if (is_new)
			fprintf(file, "%s<path fill=\"#%02x%02x%02x\" d=\"", before ? "\"/>\n" : "",
				color->red, color->green, color->blue);
		before = &narrow[i];
		i += count_run(picture, narrow, i, count, &right);
		fprintf(file, "M%g %gH%gv%gH%gz", box.x, box.y, right, box.height, box.x);
	}
	if (count)
		fputs("\"/>\n", file);
}

/* The width from which on a frame is an element of its own. */
static double single_width(const struct picture *picture)
{
	uint32_t count = picture->layout.count;

	if (count <= MANY_FRAMES)
		return FEW_SINGLE_PIXELS;
	for (double limit = SINGLE_PIXELS; limit < MAX_SINGLE_PIXELS; limit *= 2) {
		count = 0;
		for (uint32_t i = 0; i < picture->layout.count; i++)
			count += picture->layout.frames[i].width * picture->scale >= limit;
		if (count <= MAX_SINGLE_FRAMES)
			return limit;
	}
	return MAX_SINGLE_PIXELS;
}

/* A frame that is an element of its own. */
struct single_frame {
	struct fill fill;
	uint32_t depth;
	uint32_t number;
};

static int compare_single(const void *left, const void *right)
{
	const struct single_frame *a = left, *b = right;
	int order = (a->depth > b->depth) - (a->depth < b->depth);

	if (!order)
		order = strcmp(a->fill.text, b->fill.text);
	return order ? order : (a->number > b->number) - (a->number < b->number);
}

/* Non-zero when frame other (if there is one) is in the same row as frame i and painted alike. */
static int is_alike(const struct single_frame *single, uint32_t i, uint32_t other, uint32_t count)
{
	return other < count && single[i].depth == single[other].depth &&
	       strcmp(single[i].fill.text, single[other].fill.text) == 0;
}

/* Row by row, and in a row paint by paint: each is said once. */
static void write_single_frames(const struct picture *picture, struct single_frame *single,
				uint32_t count, FILE *file)
{
	qsort(single, count, sizeof(*single), compare_single);
	for (uint32_t i = 0; i < count; i++) {
		int is_row = !i || single[i].depth != single[i - 1].depth;

		if (is_row)
			fprintf(file, "%s<g transform=\"translate(0 %.15g)\">\n", i ? "</g>\n" : "",
				picture_box(picture, single[i].number).y);
		/* A group is worth its bytes for two. */
		int is_group = is_alike(single, i, i + 1, count);
		int is_in_group = is_group || is_alike(single, i, i - 1, count);

		if (is_group && !is_alike(single, i, i - 1, count))
			fprintf(file, "<g %s>", single[i].fill.text);
		const char *fill = is_in_group ? "" : single[i].fill.text;
		if (has_attributes(picture, single[i].number))
			write_attributed_frame(picture, single[i].number, fill, file);
		else
			write_frame(picture, single[i].number, fill, file);
		if (is_in_group && !is_group)
			fputs("</g>\n", file);
	}
	fputs("</g>\n", file);
}

void svg_frames_write(const struct picture *picture, FILE *file)
{
	const struct layout *layout = &picture->layout;
	_cleanup_free_ struct narrow_frame *narrow = memory_new(layout->count * sizeof(*narrow));
	_cleanup_free_ struct single_frame *single = memory_new(layout->count * sizeof(*single));
	double limit = single_width(picture);
	uint32_t narrow_count = 0, single_count = 0;

	fputs("<g id=\"frames\" class=\"frames\">\n", file);
	for (uint32_t i = 0; i < layout->count; i++) {
		const struct layout_frame *frame = &layout->frames[i];

		if (frame->width * picture->scale < limit && i)
			narrow[narrow_count++] = (struct narrow_frame){
				coarse_color(picture, i), frame->depth, frame->start, i};
		else
			single[single_count++] =
				(struct single_frame){find_fill(picture, i), frame->depth, i};
	}
	write_single_frames(picture, single, single_count, file);
	write_narrow_frames(picture, narrow, narrow_count, file);
	fputs("</g>\n", file);
}
