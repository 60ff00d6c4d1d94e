/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl dump: the samples of a window as text for other programs. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/drawing.h"
#include "client/formats/folded.h"
#include "client/formats/perf_script_write.h"
#include "client/output.h"
#include "client/selection.h"
#include "common/cleanup.h"
#include "common/profile.h"

enum dump_format { DUMP_FOLDED, DUMP_JSON, DUMP_PERF_SCRIPT };

static const char *const formats[] = {"folded", "json", "perf-script", NULL};

static struct dump_values {
	const char *output;
	int format; /* enum dump_format */
	int annotate;
	int waker;
} values;

static struct selection selection;

#define FIELD(name) offsetof(struct dump_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("format", 'f', "FORMAT", OPTION_WORD, FIELD(format),
		       "folded (default), json or perf-script", .words = formats),
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file, not to standard output"),
	COMMAND_OPTION("annotate", 0, NULL, OPTION_FLAG, FIELD(annotate),
		       "mark frames: _[k] kernel, _[i] inlined, _[j] JIT, _[w] waker"),
	COMMAND_OPTION("waker", 0, NULL, OPTION_FLAG, FIELD(waker),
		       "show who ended each sleep, above a -- frame"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	selection_init(&selection);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = selection_window_options(&selection);
	sets[2] = selection_options(&selection);
	return 3;
}

/* Put the host above the frames of each line, so that the text of several can be merged. */
static char *add_host(const struct client *client, const char *folded, size_t *length)
{
	char *text = NULL;
	FILE *file = output_memory(&text, length);
	for (const char *line = folded; *line;) {
		size_t size = strcspn(line, "\n");

		fprintf(file, "%s;%.*s\n", client->host, (int)size, line);
		line += size + (line[size] == '\n');
	}
	fclose(file);
	return text;
}

static void write_folded(const struct client *client, const struct profile *profile)
{
	struct stack_levels levels = selection_levels(&selection);
	size_t length;
	_cleanup_free_ char *text =
		drawing_fold(profile, &levels, values.annotate ? FOLDED_ANNOTATE : 0, &length);

	if (client->host_count > 1) {
		_cleanup_free_ char *one_host = text;

		text = add_host(client, one_host, &length);
	}
	output_write(values.output, text, length);
}

static void write_perf_script(const struct profile *profile)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	FILE *file = output_memory(&text, &length);
	int error = perf_script_write(profile, file);
	fclose(file);
	if (error)
		errx(EXIT_FAILED, "there are too many samples for perf-script, which has a "
				  "record for each");
	output_write(values.output, text, length);
}

static int run(struct client *client, int operand_count, char **operands)
{
	_cleanup_free_ char *json = NULL;
	size_t json_length;

	if (client->host_count > 1 && values.output)
		command_misused(client->command, "-o would be overwritten by the next host");
	selection.waker = values.waker;
	if (client->json)
		values.format = DUMP_JSON;
	_cleanup_(profile_freep) struct profile *profile =
		selection_fetch(client, &selection, operand_count, operands, &json, &json_length);
	if (values.format == DUMP_FOLDED)
		write_folded(client, profile);
	else if (values.format == DUMP_PERF_SCRIPT)
		write_perf_script(profile);
	else
		output_write(values.output, json, json_length);
	return selection_judge_quality(&selection, profile);
}

const struct command dump_command = {
	.name = "dump",
	.operands = "[TARGET... | FILE]",
	.summary = "Write what was sampled in a window: folded stacks, JSON or perf script text",
	.examples = "  flamectl dump --last 30s | flamegraph.pl > flame.svg\n"
		    "  flamectl dump 1234 --by-thread --annotate\n"
		    "  flamectl dump -f json --from -10m --to -5m -o before.json\n"
		    "  flamectl dump picture.svg > stacks.folded\n",
	.list_options = list_options,
	.prints_data = 1,
	.run = run,
};
