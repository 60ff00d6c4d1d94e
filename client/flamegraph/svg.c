/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/assets.h"
#include "client/flamegraph/footer.h"
#include "client/flamegraph/picture.h"
#include "client/flamegraph/svg_view.h"
#include "client/flamegraph/xml.h"
#include "client/formats/embedded.h"

/* Below the frames: a line for details, one for the legend, one for the footer. */
#define LINE_PIXELS 18

#define NOTE_CHARACTER_PIXELS 6 /* on average, in the font of notes */

/* Where a picture has more frames than this, narrow ones share paths: so narrow that this holds. */
#define MANY_FRAMES       10000
#define MAX_SINGLE_FRAMES 2500
#define SINGLE_PIXELS     3
#define FEW_SINGLE_PIXELS 0.5 /* nobody points at half a pixel */
#define MAX_SINGLE_PIXELS 100
#define NARROW_GAP        0.5

static const char kind_letters[FRAME_KIND_COUNT] = {
	[FRAME_USER] = 'u',    [FRAME_LIBRARY] = 'l',  [FRAME_KERNEL] = 'k',  [FRAME_JIT] = 'j',
	[FRAME_INLINED] = 'i', [FRAME_UNKNOWN] = 'n',  [FRAME_PROCESS] = 'p', [FRAME_MARKED] = 'm',
	[FRAME_QUEUED] = 'q',  [FRAME_WAITS_IO] = 'd', [FRAME_LOCKED] = 'x',  [FRAME_SLEEPS] = 's',
	[FRAME_RUNNING] = 'r',
};

static const char *const kind_labels[FRAME_KIND_COUNT] = {
	[FRAME_USER] = "program",
	[FRAME_LIBRARY] = "library",
	[FRAME_KERNEL] = "kernel",
	[FRAME_JIT] = "JIT",
	[FRAME_INLINED] = "inlined",
	[FRAME_UNKNOWN] = "no name",
	[FRAME_PROCESS] = "level",
	[FRAME_MARKED] = "not walked, or lost",
	[FRAME_QUEUED] = "waits for a CPU",
	[FRAME_WAITS_IO] = "waits for I/O",
	[FRAME_LOCKED] = "waits for a lock",
	[FRAME_SLEEPS] = "sleeps",
	[FRAME_RUNNING] = "runs",
};

/* The backgrounds of flamegraph.pl: from and to of a gradient. */
static const struct {
	const char *name;
	const char *from, *to;
} backgrounds[] = {
	{"yellow", "#eeeeee", "#eeeeb0"},
	{"blue", "#eeeeee", "#e0e0ff"},
	{"green", "#eef2ee", "#e0ffe0"},
	{"grey", "#f8f8f8", "#e8e8e8"},
};

/* Which background a palette has unless told otherwise; ours has a plain one. */
static const struct {
	const char *palette;
	const char *background;
} palette_backgrounds[] = {
	{"mem", "green"},   {"io", "blue"},     {"wakeup", "blue"}, {"chain", "blue"},
	{"red", "grey"},    {"green", "grey"},  {"blue", "grey"},   {"aqua", "grey"},
	{"yellow", "grey"}, {"purple", "grey"}, {"orange", "grey"}, {"hot", "yellow"},
	{"java", "yellow"}, {"js", "yellow"},   {"perl", "yellow"}, {"python", "yellow"},
	{"rust", "yellow"},
};

static int is_by_kind(const struct picture *picture)
{
	return strcmp(picture->options->colors, "kind") == 0 && !picture->list->has_two &&
	       !picture->options->hash && !picture->options->random && !picture->options->color_map;
}

/* The footer of content and how many lines it takes. */
struct foot {
	char *text;
	size_t columns;
	unsigned int lines;
};

static void foot_init(struct foot *foot, const struct picture *picture,
		      const struct svg_content *content)
{
	*foot = (struct foot){
		.text = content->profile ? footer_text(content->profile, content->base)
					 : memory_format("%s", ""),
		.columns = (size_t)((picture->width - 2 * picture->side) / NOTE_CHARACTER_PIXELS),
	};
	for (const char *at = foot->text; *at; at += footer_line(at, foot->columns))
		foot->lines++;
}

static void foot_fini(struct foot *foot)
{
	free(foot->text);
	*foot = (struct foot){0};
}

/* Below what flamegraph.pl has: the legend and the footer. */
static double extra_height(const struct foot *foot)
{
	return LINE_PIXELS * (1 + (foot->lines > 1 ? foot->lines : 1));
}

static void write_background(const struct picture *picture, FILE *file)
{
	const char *name = picture->options->background;

	for (size_t i = 0; i < ARRAY_SIZE(palette_backgrounds) && !name; i++)
		if (strcmp(palette_backgrounds[i].palette, picture->options->colors) == 0)
			name = palette_backgrounds[i].background;
	if (name && name[0] == '#')
		fprintf(file, "<style>.background{fill:%s}</style>\n", name);
	for (size_t i = 0; i < ARRAY_SIZE(backgrounds) && name; i++)
		if (strcmp(backgrounds[i].name, name) == 0)
			fprintf(file,
				"<defs><linearGradient id=\"background\" y1=\"0\" y2=\"1\" "
				"x1=\"0\" x2=\"0\"><stop stop-color=\"%s\" offset=\"5%%\"/>"
				"<stop stop-color=\"%s\" offset=\"95%%\"/></linearGradient></defs>"
				"\n<style>:root:not(.dark) .background{fill:url(#background)}"
				"</style>\n",
				backgrounds[i].from, backgrounds[i].to);
	fputs("<rect class=\"background\" width=\"100%\" height=\"100%\"/>\n", file);
}

/* Kinds and shades as classes: the sheet can turn them for the dark, and a class is short. */
static void write_kind_styles(FILE *file)
{
	for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
		for (int shade = 0; shade < PALETTE_SHADES; shade++) {
			struct color color = palette_kind_shade((enum frame_kind)kind, shade);

			fprintf(file, ".%c%d{fill:#%02x%02x%02x}", kind_letters[kind], shade,
				color.red, color.green, color.blue);
		}
	}
	fputc('\n', file);
}

static void write_style(const struct picture *picture, FILE *file)
{
	const struct flamegraph_options *options = picture->options;

	fputs("<style>\n", file);
	fprintf(file, "text{font-size:%gpx;font-family:", options->font_size);
	xml_write_text(options->font_type, file);
	fputs(",sans-serif}\n", file);
	fprintf(file, "#frames rect{height:%gpx}#frames text{transform:translateY(%gpx)}\n",
		options->frame_height - 1,
		(options->frame_height - 1) / 2 + options->font_size * 0.35);
	xml_write_text(asset_style, file);
	write_kind_styles(file);
	fputs("</style>\n", file);
}

static void write_head(const struct picture *picture, const struct foot *foot, FILE *file)
{
	const struct flamegraph_options *options = picture->options;
	double height = picture->height + extra_height(foot);

	fprintf(file, "<?xml version=\"1.0\" encoding=\"%s\" standalone=\"no\"?>\n",
		options->encoding ? options->encoding : "UTF-8");
	if (options->notes && *options->notes) {
		fputs("<!-- ", file);
		/* A comment may hold no "--". */
		for (const char *at = options->notes; *at; at++)
			xml_write(at[0] == '-' && at[1] == '-' ? "~" : at, 1, file);
		fputs(" -->\n", file);
	}
	fputs("<svg version=\"1.1\" xmlns=\"http://www.w3.org/2000/svg\" "
	      "xmlns:xlink=\"http://www.w3.org/1999/xlink\" ",
	      file);
	if (options->width > 0)
		fprintf(file, "width=\"%.15g\" height=\"%.15g\" ", picture->width, height);
	else
		fputs("width=\"100%\" class=\"fluid\" ", file);
	fprintf(file, "viewBox=\"0 0 %.15g %.15g\" role=\"img\" aria-labelledby=\"title about\">\n",
		picture->width, height);
	fputs("<title id=\"title\">", file);
	xml_write_text(picture->title, file);
	fputs("</title>\n<desc id=\"about\">", file);
	xml_write_text(foot->text, file);
	fputs("</desc>\n", file);
}

static void write_titles(const struct picture *picture, FILE *file)
{
	const struct flamegraph_options *options = picture->options;

	fprintf(file, "<text class=\"title\" x=\"%g\" y=\"%g\">", picture->width / 2,
		options->font_size * 2);
	xml_write_text(picture->title, file);
	fputs("</text>\n", file);
	if (options->subtitle && *options->subtitle) {
		fprintf(file, "<text class=\"subtitle\" x=\"%g\" y=\"%g\">", picture->width / 2,
			options->font_size * 4);
		xml_write_text(options->subtitle, file);
		fputs("</text>\n", file);
	}
}

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

	if (!is_by_kind(picture)) {
		snprintf(fill.text, sizeof(fill.text), "fill=\"#%02x%02x%02x\"", color->red,
			 color->green, color->blue);
		return fill;
	}
	if (frame->frame != LAYOUT_ROOT)
		kind = (enum frame_kind)picture->list->profile->frames[frame->frame].kind;
	const char *name = picture_name(picture, number, &length);
	snprintf(fill.text, sizeof(fill.text), "class=\"%c%d\"", kind_letters[kind],
		 palette_shade(name, length));
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

	if (is_by_kind(picture))
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
		if (box.x > *right + 0.3 || box.width >= SINGLE_PIXELS)
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

static void write_frames(const struct picture *picture, FILE *file)
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

static void write_legend_entry(const char *style, const char *label, double *x, double y,
			       FILE *file)
{
	fprintf(file, "<rect %s x=\"%g\" y=\"%g\" width=\"10\" height=\"10\" rx=\"2\"/>", style, *x,
		y - 9);
	fprintf(file, "<text x=\"%g\" y=\"%g\">%s</text>\n", *x + 14, y, label);
	*x += 14 + 6.0 * (double)strlen(label) + 18;
}

static void write_legend(const struct picture *picture, double y, FILE *file)
{
	int is_used[FRAME_KIND_COUNT] = {0};
	double x = picture->side;

	fputs("<g id=\"legend\" class=\"note\">", file);
	if (picture->list->has_two) {
		int negate = picture->options->negate, is_ours = picture->difference.count > 0;

		write_legend_entry(is_ours ? "fill=\"#f0623e\"" : "fill=\"#ff6969\"",
				   negate ? "shrank" : "grew", &x, y, file);
		write_legend_entry(is_ours ? "fill=\"#5691eb\"" : "fill=\"#6969ff\"",
				   negate ? "grew" : "shrank", &x, y, file);
	}
	if (picture->difference.count && picture->options->significance > 0) {
		_cleanup_free_ char *method = difference_method(&picture->difference);
		_cleanup_free_ char *label =
			memory_format("not more than chance (false discovery rate %g %%, %s)",
				      100 * picture->options->significance, method);

		write_legend_entry("fill=\"#d8d8d8\"", label, &x, y, file);
		write_legend_entry("fill=\"#d8d8d8\" class=\"gone\"", "not there any more", &x, y,
				   file);
	}
	for (uint32_t i = 1; i < picture->layout.count && is_by_kind(picture); i++)
		is_used[picture->list->profile->frames[picture->layout.frames[i].frame].kind] = 1;
	for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
		char style[16];

		snprintf(style, sizeof(style), "class=\"%c1\"", kind_letters[kind]);
		if (is_used[kind])
			write_legend_entry(style, kind_labels[kind], &x, y, file);
	}
	fputs("</g>\n", file);
}

static void write_foot(const struct picture *picture, const struct foot *foot, FILE *file)
{
	double y = picture->height + LINE_PIXELS - 6;

	write_legend(picture, y, file);
	fputs("<text id=\"footer\" class=\"note\">", file);
	for (const char *at = foot->text; *at;) {
		size_t length = footer_line(at, foot->columns);

		fprintf(file, "<tspan x=\"%g\" y=\"%g\">", picture->side, y += LINE_PIXELS);
		xml_write(at, length, file);
		fputs("</tspan>", file);
		at += length;
	}
	fputs("</text>\n", file);
}

int svg_write(const struct picture *picture, const struct svg_content *content, FILE *file)
{
	_cleanup_(foot_fini) struct foot foot;
	int error = 0;

	foot_init(&foot, picture, content);
	write_head(picture, &foot, file);
	write_style(picture, file);
	write_background(picture, file);
	write_titles(picture, file);
	write_frames(picture, file);
	write_foot(picture, &foot, file);
	svg_view_write(picture, &content->levels, content->rows, file);
	if (content->profile)
		error = embedded_write(content->profile, EMBEDDED_PROFILE, file);
	if (!error && content->base)
		error = embedded_write(content->base, EMBEDDED_BASE, file);
	fputs("<script type=\"text/javascript\"><![CDATA[\n", file);
	fputs(asset_script, file);
	fputs("]]></script>\n</svg>\n", file);
	return error ? error : ferror(file) ? -EIO : 0;
}
