/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/embedded.h"
#include "client/formats/folded.h"
#include "client/formats/perf_script_line.h"
#include "client/formats/source.h"
#include "common/profile_json.h"

/* One reading: from where, how, into what. */
struct input {
	struct source source;
	const struct input_settings *settings;
	int which;
	struct stack_list *list;
	struct profile **profile; /* wanted instead of stacks, where the format holds one */
	struct input_report *report;
	int is_first; /* nothing is in the list yet */
};

void input_report_fini(struct input_report *report)
{
	free(report->shown_event);
	*report = (struct input_report){0};
}

/* Put value number from of the stacks from first on in the place that is wanted. */
static void move_values(struct stack_list *list, uint32_t first, int from, int which)
{
	for (uint32_t i = first; i < list->stack_count; i++) {
		double *values = list->stacks[i].values;
		double value = values[from];

		values[STACK_BEFORE] = values[STACK_AFTER] = 0;
		values[which] = value;
		/* Text tells no variances, so there is nothing else to move. */
	}
}

static int read_folded(struct input *input)
{
	_cleanup_(folded_reader_fini) struct folded_reader reader;
	uint32_t first = input->list->stack_count;
	int had_two = input->list->has_two;
	const char *text;
	size_t length;
	int error;

	folded_reader_init(&reader, input->list);
	input->list->has_two = 0;
	do {
		error = source_lines(&input->source, &text, &length);
		if (!error)
			error = folded_reader_feed(&reader, text, length);
	} while (!error && length);
	if (!input->list->has_two || input->settings->one_value) {
		move_values(input->list, first, input->list->has_two ? STACK_AFTER : STACK_BEFORE,
			    input->which);
		input->list->has_two = 0;
	}
	input->list->has_two |= had_two;
	input->report->ignored_lines = reader.ignored_lines;
	return error;
}

static int read_perf_script(struct input *input)
{
	_cleanup_(perf_script_reader_fini) struct perf_script_reader reader;
	uint32_t first = input->list->stack_count;
	const char *text;
	size_t length;
	int error;

	perf_script_reader_init(&reader, input->list, &input->settings->perf_script);
	do {
		error = source_lines(&input->source, &text, &length);
		if (!error)
			error = perf_script_reader_feed(&reader, text, length);
	} while (!error && length);
	input->report->is_cut = perf_script_reader_finish(&reader);
	move_values(input->list, first, STACK_BEFORE, input->which);
	input->report->ignored_lines = reader.ignored_lines;
	input->report->silent_modules = reader.addr2line.silent;
	input->report->lacks_addr2line = reader.addr2line.is_missing;
	if (reader.has_rejected_event)
		input->report->shown_event = steal_ptr(&reader.event);
	return error;
}

/* Hand the profile on, or lay it out. */
static int take_profile(struct input *input, struct profile **profile, int which)
{
	if (input->profile) {
		*input->profile = steal_ptr(profile);
		return 0;
	}
	int error = profile_stacks_add(input->list, *profile, &input->settings->levels, which);
	if (error == -EINVAL)
		input->report->error = "the profile does not hold that unit";
	if (error == -EDOM)
		input->report->error = "its values have another unit than those read before";
	if (!error && input->is_first)
		input->list->origins[which] = steal_ptr(profile);
	return error;
}

static int read_json(struct input *input)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	const char *text;
	size_t length;
	int error = source_whole(&input->source, &text, &length);

	if (!error)
		error = profile_json_read(text, length, &profile, &input->report->error);
	return error ? error : take_profile(input, &profile, input->which);
}

static int read_svg(struct input *input)
{
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(profile_freep) struct profile *base = NULL;
	const char *text, *ignored;
	size_t length;
	int error = source_whole(&input->source, &text, &length);

	if (!error)
		error = embedded_read(text, length, EMBEDDED_PROFILE, &profile,
				      &input->report->error);
	/* A picture of a difference, where that is asked for as it is. */
	int has_base = !error && !input->profile && !input->settings->one_value &&
		       !embedded_read(text, length, EMBEDDED_BASE, &base, &ignored);
	if (has_base) {
		input->list->has_two = 1;
		error = take_profile(input, &base, STACK_BEFORE);
	}
	return error ? error : take_profile(input, &profile, has_base ? STACK_AFTER : input->which);
}

/* Where text begins behind white space and a byte order mark. */
static const char *skip_space(const char *text, size_t length)
{
	const char *end = text + length;

	if (length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text < end && strchr(" \t\r\n", *text) && *text)
		text++;
	return text < end ? text : NULL;
}

static int is_json(const char *text, size_t length)
{
	const char *start = skip_space(text, length);

	return start && *start == '{';
}

static int is_svg(const char *text, size_t length)
{
	const char *start = skip_space(text, length);

	return start && *start == '<' && memmem(text, length, "<svg", 4) != NULL;
}

/* The first line that is neither empty nor a comment. */
static int is_folded(const char *text, size_t length)
{
	const char *end = text + length;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((stop ? stop : end) - text);

		if (size && text[0] != '#' && text[0] != '\r')
			return folded_matches(text, size);
		text += size + 1;
	}
	return 1; /* nothing at all: no stacks */
}

/* The order matters: folded text is what is left, and lines of it that are wrong are counted. */
static const struct {
	const char *name;
	int (*matches)(const char *text, size_t length);
	int (*read)(struct input *input);
} formats[] = {
	{"json", is_json, read_json},
	{"svg", is_svg, read_svg},
	{"perf-script", perf_script_matches, read_perf_script},
	{"folded", is_folded, read_folded},
};

static int read_as(struct input *input)
{
	const char *text;
	size_t length;
	int error = source_peek(&input->source, &text, &length);

	if (error)
		return error;
	size_t format = 0;
	while (format + 1 < ARRAY_SIZE(formats)) {
		if (input->settings->format
			    ? strcmp(input->settings->format, formats[format].name) == 0
			    : formats[format].matches(text, length))
			break;
		format++;
	}
	input->report->format = formats[format].name;
	return formats[format].read(input);
}

int input_read(const char *path, const struct input_settings *settings, int which,
	       struct stack_list *list, struct input_report *report)
{
	struct input input = {
		.settings = settings,
		.which = which,
		.list = list,
		.report = report,
		.is_first = !list->stack_count,
	};
	int error = source_open(&input.source, path);

	*report = (struct input_report){0};
	if (error)
		return error;
	for (int i = 0; i < STACK_VALUES; i++) {
		profile_free(list->origins[i]);
		list->origins[i] = NULL;
	}
	error = read_as(&input);
	source_close(&input.source);
	return error;
}

int input_read_profile(const char *path, const struct input_settings *settings,
		       struct profile **profile, struct input_report *report)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	struct input input = {
		.settings = settings, .list = &list, .profile = profile, .report = report};
	int error = source_open(&input.source, path);

	*report = (struct input_report){0};
	*profile = NULL;
	if (error)
		return error;
	stack_list_init(&list);
	error = read_as(&input);
	source_close(&input.source);
	if (!error && !*profile)
		*profile = profile_stacks_collect(&list, list.has_two ? STACK_AFTER : STACK_BEFORE);
	return error;
}
