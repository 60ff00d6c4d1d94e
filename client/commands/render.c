/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl render: a flame graph, or another form, of stacks that are in files. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/drawing.h"
#include "client/flamegraph/flamegraph.h"
#include "client/formats/folded.h"
#include "client/output.h"
#include "client/reading.h"
#include "common/cleanup.h"
#include "common/profile_json.h"

static struct render_values {
	const char *output;
	int format; /* enum drawing_format */
	int annotate;
	int by_process;
	int by_thread;
	int unit;
} values;

static struct flamegraph_options look;

#define FIELD(name) offsetof(struct render_values, name)

static const char *const units[] = {"default", "samples", "ns", "us", "ms", "bytes", NULL};

static const struct command_option options[] = {
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file, not to standard output"),
	COMMAND_OPTION("format", 'f', "FORMAT", OPTION_WORD, FIELD(format),
		       "svg (default), folded, json or frames", .words = drawing_formats),
	COMMAND_OPTION("annotate", 0, NULL, OPTION_FLAG, FIELD(annotate),
		       "folded: mark frames: _[k] kernel, _[i] inlined, _[j] JIT"),
	COMMAND_OPTION("by-process", 0, NULL, OPTION_FLAG, FIELD(by_process),
		       "JSON: a level for each process id"),
	COMMAND_OPTION("by-thread", 0, NULL, OPTION_FLAG, FIELD(by_thread),
		       "JSON: a level for each thread"),
	COMMAND_OPTION("unit", 0, "UNIT", OPTION_WORD, FIELD(unit),
		       "JSON: samples, ns, us, ms or bytes", .words = units),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	flamegraph_options_init_compatible(&look);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = drawing_options(&look);
	return 2;
}

/* JSON of stacks; the second value of a difference is what it is now. */
static int write_json(const struct stack_list *list, FILE *file)
{
	int which = list->has_two ? STACK_AFTER : STACK_BEFORE;

	if (list->origins[which])
		return profile_json_write(list->origins[which], output_piece, file);
	_cleanup_(profile_freep) struct profile *profile = profile_stacks_collect(list, which);
	return profile_json_write(profile, output_piece, file);
}

static int write_list(struct stack_list *list, const struct stack_levels *levels, FILE *file)
{
	switch ((enum drawing_format)values.format) {
	case DRAWING_FOLDED:
		return folded_write(list, values.annotate ? FOLDED_ANNOTATE : 0, file);
	case DRAWING_JSON:
		return write_json(list, file);
	case DRAWING_FRAMES:
		return flamegraph_write_stacks(list, levels, &look, FLAMEGRAPH_FRAMES, file);
	case DRAWING_SVG:
		break;
	}
	return flamegraph_write_stacks(list, levels, &look, FLAMEGRAPH_SVG, file);
}

static void read_all(const struct input_settings *settings, int count, char **paths,
		     struct stack_list *list)
{
	stack_list_init(list);
	for (int i = 0; i < count; i++)
		reading_add(paths[i], settings, STACK_BEFORE, list);
	reading_check(list);
}

static int run(struct client *client, int operand_count, char **operands)
{
	char dash[] = "-";
	char *standard_input[] = {dash};
	struct input_settings settings = {
		.levels = {.unit = (enum stack_unit)values.unit,
			   .by_process = values.by_process,
			   .by_thread = values.by_thread},
	};
	_cleanup_(stack_list_fini) struct stack_list list = {0};
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	(void)client;
	if (!operand_count) {
		operands = standard_input;
		operand_count = 1;
	}
	FILE *file = output_memory(&text, &length);
	read_all(&settings, operand_count, operands, &list);
	/* The picture of a difference stays one of shares; two counts in text are as flamegraph.pl has them. */
	if (list.has_two && list.origins[STACK_BEFORE])
		flamegraph_options_compare_shares(&look);
	int error = write_list(&list, &settings.levels, file);
	fclose(file);
	if (error)
		errx(EXIT_FAILED, "%s", flamegraph_error(error));
	output_write(values.output, text, length);
	return EXIT_DONE;
}

const struct command render_command = {
	.name = "render",
	.operands = "[FILE...]",
	.summary = "Draw stacks from files: folded or perf script text, JSON, our own pictures",
	.examples = "  perf script | flamectl render > flame.svg\n"
		    "  flamectl render monday.folded tuesday.folded --colors java -o both.svg\n"
		    "  flamectl render old.svg --inverted --reverse > callers.svg\n"
		    "  flamectl render old.svg -f folded\n",
	.list_options = list_options,
	.is_local = 1,
	.prints_data = 1,
	.run = run,
};
