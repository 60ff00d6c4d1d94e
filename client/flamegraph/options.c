/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/options.h"

#include <errno.h>
#include <string.h>

#include "client/flamegraph/palette.h"
#include "common/parse.h"

#define MAX_WIDTH        100000
#define MAX_FRAME_HEIGHT 1000
#define MAX_FONT_SIZE    500
#define MAX_VALUE        1e18

#define SIGNIFICANCE 0.05

enum form {
	FORM_FLAG,
	FORM_TEXT,
	FORM_NUMBER,
	FORM_MIN_WIDTH,
	FORM_PALETTE,
	FORM_BACKGROUND,
	FORM_NOTES,
	FORM_WIDTH_BY,
	FORM_SIGNIFICANCE,
	FORM_SIDE
};

/* A field of the options by its place. */
#define AT(field) offsetof(struct flamegraph_options, field)

static const struct row {
	const char *name;
	const char *argument; /* NULL: a flag */
	const char *help;
	enum form form;
	size_t place;
	double minimum, maximum; /* of a number */
} table[] = {
	{"title", "TEXT", "title text", FORM_TEXT, AT(title), 0, 0},
	{"subtitle", "TEXT", "second level title", FORM_TEXT, AT(subtitle), 0, 0},
	{"width", "PIXELS", "width of the image (fluid unless given)", FORM_NUMBER, AT(width), 100,
	 MAX_WIDTH},
	{"height", "PIXELS", "height of each frame (16)", FORM_NUMBER, AT(frame_height), 2,
	 MAX_FRAME_HEIGHT},
	{"minwidth", "NUMBER[%]", "omit narrower frames: pixels (0.1) or percent of the whole",
	 FORM_MIN_WIDTH, AT(min_width), 0, 0},
	{"fonttype", "FONT", "font (Verdana)", FORM_TEXT, AT(font_type), 0, 0},
	{"fontsize", "NUMBER", "font size (12)", FORM_NUMBER, AT(font_size), 1, MAX_FONT_SIZE},
	{"fontwidth", "NUMBER", "average width of a character, in font sizes (0.59)", FORM_NUMBER,
	 AT(font_width), 0.01, 10},
	{"countname", "TEXT", "what is counted (samples)", FORM_TEXT, AT(count_name), 0, 0},
	{"nametype", "TEXT", "what a frame is (Function:)", FORM_TEXT, AT(name_type), 0, 0},
	{"colors", "PALETTE", "palette; 'help' lists them", FORM_PALETTE, AT(colors), 0, 0},
	{"bgcolors", "COLOR", "background: yellow blue green grey or #rrggbb", FORM_BACKGROUND,
	 AT(background), 0, 0},
	{"hash", NULL, "colours by a hash of the name", FORM_FLAG, AT(hash), 0, 0},
	{"random", NULL, "random colours", FORM_FLAG, AT(random), 0, 0},
	{"cp", NULL, "keep each function's colour in ./palette.map", FORM_FLAG, AT(color_map), 0,
	 0},
	{"reverse", NULL, "merge stacks from the leaf", FORM_FLAG, AT(reverse), 0, 0},
	{"inverted", NULL, "icicle: the root on top", FORM_FLAG, AT(inverted), 0, 0},
	{"flamechart", NULL, "keep the order of the input (time)", FORM_FLAG, AT(flamechart), 0, 0},
	{"negate", NULL, "swap the colours of a difference", FORM_FLAG, AT(negate), 0, 0},
	{"notes", "TEXT", "a comment in the SVG", FORM_NOTES, AT(notes), 0, 0},
	{"encoding", "NAME", "character encoding of the SVG (UTF-8)", FORM_TEXT, AT(encoding), 0,
	 0},
	{"total", "NUMBER", "widen the scale to this total", FORM_NUMBER, AT(total), 0, MAX_VALUE},
	{"factor", "NUMBER", "multiply the counts that are shown", FORM_NUMBER, AT(factor), 1e-12,
	 1e12},
	{"nameattr", "FILE", "attributes of frames by function: name<TAB>key=value…", FORM_TEXT,
	 AT(name_attributes), 0, 0},
	{"width-by", "WHAT", "width in a difference: before, after or larger", FORM_WIDTH_BY,
	 AT(width_by), 0, 0},
	{"significance", "RATE", "grey for changes beyond this false discovery rate (0.05; all)",
	 FORM_SIGNIFICANCE, AT(significance), 0, 0},
	{"cut", "SIDE", "which end of a long label is cut: left, right or auto", FORM_SIDE,
	 AT(cut_side), 0, 0},
};

void flamegraph_options_init_compatible(struct flamegraph_options *options)
{
	*options = (struct flamegraph_options){
		.frame_height = 16,
		.min_width = 0.1,
		.font_type = "Verdana",
		.font_size = 12,
		.font_width = 0.59,
		.name_type = "Function:",
		.colors = "hot",
		.factor = 1,
		.cut_side = "right",
	};
}

void flamegraph_options_compare_shares(struct flamegraph_options *options)
{
	if (!options->compare_shares)
		options->significance = SIGNIFICANCE;
	options->compare_shares = 1;
	if (!options->has_width_by)
		options->width_by = WIDTH_BY_LARGER;
}

void flamegraph_options_init(struct flamegraph_options *options)
{
	flamegraph_options_init_compatible(options);
	options->colors = "kind";
	options->cut_side = "auto";
	options->font_type = "system-ui, 'DejaVu Sans', Verdana, sans-serif";
	flamegraph_options_compare_shares(options);
}

size_t flamegraph_options_count(void)
{
	return ARRAY_SIZE(table);
}

void flamegraph_options_list(struct option *list, int first_value)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		list[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].argument ? required_argument : no_argument,
			.val = first_value + (int)i,
		};
	}
}

void flamegraph_options_print_help(FILE *file)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char name[64];

		snprintf(name, sizeof(name), "--%s%s%s", table[i].name,
			 table[i].argument ? " " : "", table[i].argument ? table[i].argument : "");
		fprintf(file, "  %-22s %s\n", name, table[i].help);
	}
}

static int set_number(const struct row *row, const char *text, double *value, const char **error)
{
	if (!parse_double(text, strlen(text), row->minimum, row->maximum, value))
		return 0;
	*error = "not a number in the range that makes sense";
	return -EINVAL;
}

static int set_min_width(struct flamegraph_options *options, const char *text, const char **error)
{
	size_t length = strlen(text);
	int is_percent = length && text[length - 1] == '%';

	if (parse_double(text, length - (size_t)is_percent, 0, is_percent ? 100 : MAX_WIDTH,
			 &options->min_width)) {
		*error = "neither a number of pixels nor a percentage";
		return -EINVAL;
	}
	options->min_width_is_percent = is_percent;
	return 0;
}

static int set_significance(struct flamegraph_options *options, const char *text,
			    const char **error)
{
	/* Raw counts have none. */
	options->compare_shares = 1;
	if (strcmp(text, "all") == 0) {
		options->significance = 0;
		return 0;
	}
	if (!parse_double(text, strlen(text), 1e-12, 1, &options->significance))
		return 0;
	*error = "neither a rate between 0 and 1 nor 'all'";
	return -EINVAL;
}

static int set_width_by(struct flamegraph_options *options, const char *text, const char **error)
{
	static const char *const names[] = {
		[WIDTH_BY_AFTER] = "after",
		[WIDTH_BY_BEFORE] = "before",
		[WIDTH_BY_LARGER] = "larger",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], text) == 0) {
			options->width_by = (enum flamegraph_width_by)i;
			options->has_width_by = 1;
			return 0;
		}
	}
	*error = "none of before, after, larger";
	return -EINVAL;
}

static int is_background(const char *text)
{
	static const char *const names[] = {"yellow", "blue", "green", "grey"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], text) == 0)
			return 1;
	return text[0] == '#' && strlen(text) == 7 &&
	       strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

static int set_text(const struct row *row, const char **field, const char *text, const char **error)
{
	if (row->form == FORM_BACKGROUND && !is_background(text)) {
		*error = "none of yellow, blue, green, grey and #rrggbb";
		return -EINVAL;
	}
	if (row->form == FORM_NOTES && strpbrk(text, "<>")) {
		*error = "notes may hold neither '<' nor '>'";
		return -EINVAL;
	}
	if (row->form == FORM_SIDE && strcmp(text, "left") != 0 && strcmp(text, "right") != 0 &&
	    strcmp(text, "auto") != 0) {
		*error = "none of left, right and auto";
		return -EINVAL;
	}
	if (row->form == FORM_PALETTE && !palette_exists(text)) {
		*error = palette_list();
		return -EINVAL;
	}
	*field = text;
	return 0;
}

int flamegraph_options_set(struct flamegraph_options *options, size_t index, const char *argument,
			   const char **error)
{
	const struct row *row = &table[index];
	char *field = (char *)options + row->place;

	switch (row->form) {
	case FORM_FLAG:
		*(int *)(void *)field = 1;
		return 0;
	case FORM_NUMBER:
		return set_number(row, argument, (double *)(void *)field, error);
	case FORM_MIN_WIDTH:
		return set_min_width(options, argument, error);
	case FORM_SIGNIFICANCE:
		return set_significance(options, argument, error);
	case FORM_WIDTH_BY:
		return set_width_by(options, argument, error);
	case FORM_TEXT:
	case FORM_PALETTE:
	case FORM_BACKGROUND:
	case FORM_NOTES:
	case FORM_SIDE:
		break;
	}
	return set_text(row, (const char **)(void *)field, argument, error);
}
