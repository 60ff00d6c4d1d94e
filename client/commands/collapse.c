/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl collapse: `perf script` text to folded text, with the options of stackcollapse-perf.pl. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/formats/folded.h"
#include "client/output.h"
#include "client/reading.h"
#include "common/cleanup.h"
#include "common/clock.h"

static struct collapse_values {
	const char *output;
	struct perf_script_settings perf_script;
	int all;
} values;

#define FIELD(name) offsetof(struct collapse_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file, not to standard output"),
	COMMAND_OPTION("pid", 0, NULL, OPTION_FLAG, FIELD(perf_script.pid),
		       "the first frame is NAME-PID"),
	COMMAND_OPTION("tid", 0, NULL, OPTION_FLAG, FIELD(perf_script.tid),
		       "the first frame is NAME-PID/TID"),
	COMMAND_OPTION("inline", 0, NULL, OPTION_FLAG, FIELD(perf_script.show_inlined),
		       "ask addr2line which functions were inlined"),
	COMMAND_OPTION("inline-timeout", 0, "DURATION", OPTION_DURATION,
		       FIELD(perf_script.patience_ns),
		       "wait so long for addr2line (default 60s a module)", .minimum = NS_PER_MS,
		       .maximum = 24 * 3600 * NS_PER_SECOND),
	COMMAND_OPTION("context", 0, NULL, OPTION_FLAG, FIELD(perf_script.show_context),
		       "with --inline: add file and line"),
	COMMAND_OPTION("srcline", 0, NULL, OPTION_FLAG, FIELD(perf_script.srcline),
		       "add the lines that perf script -F +srcline prints"),
	COMMAND_OPTION("kernel", 0, NULL, OPTION_FLAG, FIELD(perf_script.annotate_kernel),
		       "mark kernel frames: _[k]"),
	COMMAND_OPTION("jit", 0, NULL, OPTION_FLAG, FIELD(perf_script.annotate_jit),
		       "mark frames of a JIT: _[j]"),
	COMMAND_OPTION("all", 0, NULL, OPTION_FLAG, FIELD(all), "both marks"),
	COMMAND_OPTION("addrs", 0, NULL, OPTION_FLAG, FIELD(perf_script.addresses),
		       "the address in frames without a name"),
	COMMAND_OPTION("event-filter", 0, "EVENT", OPTION_TEXT, FIELD(perf_script.event_filter),
		       "only this event (the first one that is seen)"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	return 1;
}

static int run(struct client *client, int operand_count, char **operands)
{
	struct input_settings settings = {.format = "perf-script"};
	_cleanup_(stack_list_fini) struct stack_list list;

	if (operand_count > 1)
		command_misused(client->command, "one file at a time");
	if (values.all)
		values.perf_script.annotate_kernel = values.perf_script.annotate_jit = 1;
	settings.perf_script = values.perf_script;
	stack_list_init(&list);
	reading_add(operand_count ? operands[0] : "-", &settings, STACK_BEFORE, &list);
	if (!list.stack_count)
		errx(EXIT_FAILED, "there is no sample in it; is it what `perf script` prints%s?",
		     values.perf_script.event_filter ? ", with that event" : "");
	FILE *file = output_open(values.output);
	int error = folded_write(&list, 0, file);
	if (error)
		errx(EXIT_FAILED, "%s", strerror(-error));
	output_close(file, values.output);
	return EXIT_DONE;
}

const struct command collapse_command = {
	.name = "collapse",
	.operands = "[FILE]",
	.summary = "Turn perf script text into folded text",
	.examples = "  perf script | flamectl collapse --all > out.folded\n"
		    "  flamectl collapse --tid samples.txt -o out.folded\n",
	.list_options = list_options,
	.is_local = 1,
	.prints_data = 1,
	.run = run,
};
