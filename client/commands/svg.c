/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl svg: a flame graph of a window, into a file of its own unless told where. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/drawing.h"
#include "client/selection.h"
#include "common/cleanup.h"
#include "common/profile.h"

static struct svg_values {
	const char *output;
	int format; /* enum drawing_format */
	int waker;
} values;

static struct selection selection;
static struct flamegraph_options look;

#define FIELD(name) offsetof(struct svg_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file; - is standard output"),
	COMMAND_OPTION("format", 'f', "FORMAT", OPTION_WORD, FIELD(format),
		       "svg (default), folded, json or frames", .words = drawing_formats),
	COMMAND_OPTION("waker", 0, NULL, OPTION_FLAG, FIELD(waker),
		       "show who ended each sleep, above a -- frame"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	selection_init(&selection);
	flamegraph_options_init(&look);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = selection_window_options(&selection);
	sets[2] = selection_options(&selection);
	sets[3] = drawing_options(&look);
	return 4;
}

/* Only a picture that would land on a terminal gets a file of its own. */
static int needs_file(void)
{
	return !values.output && values.format == DRAWING_SVG && isatty(STDOUT_FILENO);
}

static int run(struct client *client, int operand_count, char **operands)
{
	_cleanup_free_ char *json = NULL;
	_cleanup_free_ char *file_name = NULL;
	size_t json_length;

	if (client->host_count > 1 && !needs_file())
		command_misused(client->command,
				"pictures of several hosts go to a file each; leave out -o");
	selection.waker = values.waker;
	if (values.waker)
		drawing_show_wakers(&look);
	_cleanup_(profile_freep) struct profile *profile =
		selection_fetch(client, &selection, operand_count, operands, &json, &json_length);
	struct stack_levels levels = selection_levels(&selection);
	if (needs_file())
		file_name = drawing_file_name(client, profile, operand_count, operands);
	const char *path = file_name ? file_name : values.output;

	drawing_write(profile, &levels, &look, (enum drawing_format)values.format, json,
		      json_length, path);
	if (file_name && client->json)
		client_print_json(client, json_pack("{s:s}", "file", file_name));
	else if (file_name)
		puts(file_name);
	return selection_judge_quality(&selection, profile);
}

const struct command svg_command = {
	.name = "svg",
	.operands = "[TARGET...]",
	.summary = "Draw a flame graph of what was sampled in a window",
	.examples = "  flamectl svg --last 30s\n"
		    "  flamectl svg 1234 --from 14:03:10 --to 14:03:20 -o incident.svg\n"
		    "  flamectl svg comm:nginx --by-thread --title 'web tier' > web.svg\n",
	.list_options = list_options,
	.run = run,
};
