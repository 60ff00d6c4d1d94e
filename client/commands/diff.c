/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl diff: what changed between two files, or between two windows of what runs. */
#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/drawing.h"
#include "client/flamegraph/difference.h"
#include "client/flamegraph/flamegraph.h"
#include "client/formats/folded.h"
#include "client/output.h"
#include "client/reading.h"
#include "client/selection.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/parse.h"
#include "common/profile.h"

enum diff_format { DIFF_SVG, DIFF_FOLDED, DIFF_FRAMES, DIFF_TEXT };

static const char *const formats[] = {"svg", "folded", "frames", "text", NULL};

static struct diff_values {
	const char *output;
	int format; /* enum diff_format */
	const char *base;
	const char *new;
	int normalize;
	int strip_hex;
	uint64_t count;
} values = {.count = 20};

static struct selection selection;
static struct flamegraph_options look;

#define FIELD(name) offsetof(struct diff_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("base", 0, "WINDOW", OPTION_TEXT, FIELD(base),
		       "compare with this window of what runs: -10m..-5m"),
	COMMAND_OPTION("new", 0, "WINDOW", OPTION_TEXT, FIELD(new), "and this one: -30s..now"),
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file, not to standard output"),
	COMMAND_OPTION("format", 'f', "FORMAT", OPTION_WORD, FIELD(format),
		       "svg (default), folded (two counts), frames, text", .words = formats),
	COMMAND_OPTION("normalize", 'n', NULL, OPTION_FLAG, FIELD(normalize),
		       "folded: scale the first counts to the total of the second"),
	COMMAND_OPTION("strip-hex", 's', NULL, OPTION_FLAG, FIELD(strip_hex),
		       "take names that differ in an address (0x...) for one"),
	COMMAND_OPTION("count", 0, "N", OPTION_NUMBER, FIELD(count),
		       "text: as many functions at most (20)", .minimum = 1, .maximum = 100000),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	selection_init(&selection);
	flamegraph_options_init(&look);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = selection_options(&selection);
	sets[2] = drawing_options(&look);
	return 3;
}

/* --- the two sides ------------------------------------------------------------------------- */

/* "FROM..TO", each a time; an absent TO is now. */
static void set_window(const struct client *client, const char *name, const char *text,
		       int64_t now_ns)
{
	const char *dots = strstr(text, "..");
	const char *to = dots ? dots + 2 : "";

	selection.to_ns = now_ns;
	if (!dots || parse_time(text, (size_t)(dots - text), now_ns, &selection.from_ns) < 0 ||
	    (*to && parse_time(to, strlen(to), now_ns, &selection.to_ns) < 0))
		command_misused(client->command,
				"--%s takes a window like -10m..-5m or 14:03:10..14:03:40, not "
				"\"%s\"",
				name, text);
	if (selection.to_ns <= selection.from_ns)
		command_misused(client->command, "--%s ends before it begins", name);
}

static struct profile *fetch_window(struct client *client, const char *name, const char *text,
				    int64_t now_ns, int operand_count, char **operands)
{
	set_window(client, name, text, now_ns);
	selection.slices = 1;
	return selection_fetch(client, &selection, operand_count, operands, NULL, NULL);
}

static void add_profile(struct stack_list *list, const struct profile *profile,
			const struct stack_levels *levels, int which)
{
	int error = profile_stacks_add(list, profile, levels, which);

	if (error == -EINVAL)
		errx(EXIT_FAILED, "these samples cannot be counted in this unit");
	if (error)
		errx(EXIT_FAILED, "%s", strerror(-error));
}

/* Read a file as one side; the profile in it, where there is one, is Owned (profile_free). */
static struct profile *add_file(struct stack_list *list, const char *path, int which)
{
	struct input_settings settings = {.levels = selection_levels(&selection), .one_value = 1};
	_cleanup_(stack_list_fini) struct stack_list side;

	stack_list_init(&side);
	reading_add(path, &settings, STACK_BEFORE, &side);
	struct profile *profile = side.origins[STACK_BEFORE]
					  ? steal_ptr(&side.origins[STACK_BEFORE])
					  : profile_stacks_collect(&side, STACK_BEFORE);
	add_profile(list, profile, &settings.levels, which);
	return profile;
}

/* --- what is made of them ------------------------------------------------------------------ */

/* name with "0x..." for each address. Owned (free). */
static char *strip_addresses(const char *name)
{
	static const char hex[] = "0123456789abcdef";
	/* "0x1" becomes "0x...": no name grows to more than twice its length. */
	char *stripped = memory_new(2 * strlen(name) + 1);
	char *to = stripped;

	while (*name) {
		if (name[0] == '0' && name[1] == 'x' && name[2] && strchr(hex, name[2])) {
			to = stpcpy(to, "0x...");
			name += 2 + strspn(name + 2, hex);
		} else {
			*to++ = *name++;
		}
	}
	return stripped;
}

static void strip_names(struct stack_list *list)
{
	uint32_t count = list->profile->frame_count;
	_cleanup_free_ uint32_t *numbers = memory_new((count + 1) * sizeof(*numbers));

	for (uint32_t i = 0; i < count; i++) {
		_cleanup_free_ char *stripped = strip_addresses(stack_list_name(list, i));
		struct profile_frame frame = list->profile->frames[i];

		frame.name = profile_string(list->profile, stripped);
		numbers[i] = profile_add_frame(list->profile, &frame);
	}
	for (size_t i = 0; i < list->frame_count; i++)
		list->frames[i] = numbers[list->frames[i]];
}

/* As difffolded.pl -n: whole numbers, cut off. */
static void normalize_base(struct stack_list *list)
{
	double before = stack_list_total(list, STACK_BEFORE);
	double after = stack_list_total(list, STACK_AFTER);

	stack_list_merge_equal(list);
	for (uint32_t i = 0; i < list->stack_count && before > 0; i++)
		list->stacks[i].values[STACK_BEFORE] =
			floor(list->stacks[i].values[STACK_BEFORE] * after / before);
}

static int write_difference(struct stack_list *list, const struct profile *base,
			    const struct profile *shown, FILE *file)
{
	struct stack_levels levels = selection_levels(&selection);

	switch ((enum diff_format)values.format) {
	case DIFF_FOLDED:
		if (values.normalize)
			normalize_base(list);
		return folded_write(list, 0, file);
	case DIFF_TEXT:
		stack_list_merge_equal(list);
		return difference_print(list, look.significance, (uint32_t)values.count, file);
	case DIFF_FRAMES:
		return flamegraph_write_difference(list, base, shown, &levels, &look,
						   FLAMEGRAPH_FRAMES, file);
	case DIFF_SVG:
		break;
	}
	return flamegraph_write_difference(list, base, shown, &levels, &look, FLAMEGRAPH_SVG, file);
}

static void check_sides(const struct client *client, int operand_count)
{
	if (!values.base != !values.new)
		command_misused(client->command, "--base and --new go together");
	if (!values.base && operand_count != 2)
		command_misused(client->command,
				"diff takes two files, or --base WINDOW --new WINDOW");
}

static int run(struct client *client, int operand_count, char **operands)
{
	int64_t now_ns = (int64_t)clock_wall_ns();
	struct stack_levels levels = selection_levels(&selection);
	_cleanup_(profile_freep) struct profile *base = NULL;
	_cleanup_(profile_freep) struct profile *shown = NULL;
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	check_sides(client, operand_count);
	stack_list_init(&list);
	list.has_two = 1;
	if (values.base) {
		base = fetch_window(client, "base", values.base, now_ns, operand_count, operands);
		shown = fetch_window(client, "new", values.new, now_ns, operand_count, operands);
		add_profile(&list, base, &levels, STACK_BEFORE);
		add_profile(&list, shown, &levels, STACK_AFTER);
	} else {
		base = add_file(&list, operands[0], STACK_BEFORE);
		shown = add_file(&list, operands[1], STACK_AFTER);
	}
	if (values.strip_hex)
		strip_names(&list);
	FILE *file = output_memory(&text, &length);
	int error = write_difference(&list, base, shown, file);
	fclose(file);
	if (error)
		errx(EXIT_FAILED, "%s", flamegraph_error(error));
	output_write(values.output, text, length);
	return EXIT_DONE;
}

const struct command diff_command = {
	.name = "diff",
	.operands = "BASE NEW | [TARGET...] --base WINDOW --new WINDOW",
	.summary = "Show what changed between two files or two windows, and what is chance",
	.examples =
		"  flamectl diff monday.svg tuesday.svg > diff.svg\n"
		"  flamectl diff 1234 --base -10m..-5m --new -1m..now -o diff.svg\n"
		"  flamectl diff old.folded new.folded -f folded -n | flamegraph.pl > diff.svg\n"
		"  flamectl diff 1234 --base -10m..-5m --new -5m..now -f text\n",
	.list_options = list_options,
	.prints_data = 1,
	.run = run,
};
