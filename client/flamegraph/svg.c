/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/assets.h"
#include "client/flamegraph/footer.h"
#include "client/flamegraph/picture.h"
#include "client/flamegraph/svg_frames.h"
#include "client/flamegraph/svg_kind.h"
#include "client/flamegraph/svg_view.h"
#include "client/flamegraph/xml.h"
#include "client/formats/embedded.h"

/* Below the frames: a line for details, one for the legend, one for the footer. */
#define LINE_PIXELS 18

#define NOTE_CHARACTER_PIXELS 6 /* on average, in the font of notes */

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
	svg_kind_write_styles(file);
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
	for (uint32_t i = 1; i < picture->layout.count && svg_kind_is_shown(picture); i++)
		is_used[picture->list->profile->frames[picture->layout.frames[i].frame].kind] = 1;
	for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
		char style[SVG_KIND_CLASS_BYTES];

		svg_kind_class((enum frame_kind)kind, 1, style);
		if (is_used[kind])
			write_legend_entry(style, svg_kind_label((enum frame_kind)kind), &x, y,
					   file);
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
	svg_frames_write(picture, file);
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
