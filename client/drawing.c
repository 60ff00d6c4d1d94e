/* SPDX-License-Identifier: Apache-2.0 */
#include "client/drawing.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "client/flamegraph/flamegraph.h"
#include "client/formats/folded.h"
#include "client/formats/profile_stacks.h"
#include "client/output.h"
#include "common/cleanup.h"
#include "common/profile.h"

#define MAX_NAME_BYTES 48 /* of what is selected, in a file name */

const char *const drawing_formats[] = {"svg", "folded", "json", "frames", NULL};

static int set_option(void *values, size_t index, const char *argument, const char **error)
{
	return flamegraph_options_set(values, index, argument, error);
}

const struct foreign_options drawing_foreign_options = {
	.count = flamegraph_options_count,
	.list = flamegraph_options_list,
	.set = set_option,
	.print_help = flamegraph_options_print_help,
};

struct option_set drawing_options(struct flamegraph_options *options)
{
	return (struct option_set){
		.title = "how the picture looks",
		.foreign = &drawing_foreign_options,
		.values = options,
	};
}

void drawing_show_wakers(struct flamegraph_options *options)
{
	struct flamegraph_options defaults;

	flamegraph_options_init(&defaults);
	if (options->colors == defaults.colors)
		options->colors = "chain";
}

/* --- the name ----------------------------------------------------------------------------- */

/* Name of the process with a pid given as text, or NULL. */
static const char *process_name(const struct profile *profile, const char *pid)
{
	for (uint32_t i = 0; i < profile->process_count; i++)
		if (profile->processes[i].pid == strtoul(pid, NULL, 10))
			return profile_text(profile, profile->processes[i].name);
	return NULL;
}

/* What the picture is of: what was selected, a process by its name; else the only process. */
static const char *subject(const struct profile *profile, int operand_count, char **operands)
{
	const char *name = operand_count == 1 ? process_name(profile, operands[0]) : NULL;

	if (name)
		return name;
	if (operand_count)
		return operands[0];
	return profile->process_count == 1 ? profile_text(profile, profile->processes[0].name)
					   : "all";
}

char *drawing_file_name(const struct client *client, const struct profile *profile,
			int operand_count, char **operands)
{
	time_t now = time(NULL);
	struct tm parts;
	char date[32];

	localtime_r(&now, &parts);
	strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &parts);
	char *name = memory_format("flame-%s%s%.*s-%s.svg", client->host ? client->host : "",
				   client->host ? "-" : "", MAX_NAME_BYTES,
				   subject(profile, operand_count, operands), date);
	/* Process names and globs may hold anything, "/" included. */
	for (char *character = name; *character; character++)
		if (!isalnum((unsigned char)*character) && !strchr("-_.+@", *character))
			*character = '_';
	return name;
}

/* --- the content -------------------------------------------------------------------------- */

static _Noreturn void exit_failed(int error)
{
	if (error == -EINVAL)
		errx(EXIT_FAILED, "these samples cannot be counted in this unit");
	errx(EXIT_FAILED, "it cannot be drawn: %s", flamegraph_error(error));
}

char *drawing_fold(const struct profile *profile, const struct stack_levels *levels,
		   unsigned int flags, size_t *length)
{
	char *text = NULL;
	FILE *file = output_memory(&text, length);
	struct stack_list list;

	stack_list_init(&list);
	int error = profile_stacks_add(&list, profile, levels, STACK_BEFORE);
	stack_list_merge_equal(&list);
	if (!error)
		error = folded_write(&list, flags, file);
	stack_list_fini(&list);
	fclose(file);
	if (error)
		exit_failed(error);
	return text;
}

/* Draw into memory. Owned (free). */
static char *draw(const struct profile *profile, const struct stack_levels *levels,
		  const struct flamegraph_options *options, enum flamegraph_format format,
		  size_t *length)
{
	char *text = NULL;
	FILE *file = output_memory(&text, length);
	int error = flamegraph_write(profile, levels, options, format, file);

	fclose(file);
	if (error)
		exit_failed(error);
	return text;
}

void drawing_write(const struct profile *profile, const struct stack_levels *levels,
		   const struct flamegraph_options *options, enum drawing_format format,
		   const char *json, size_t json_length, const char *path)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	if (format == DRAWING_JSON) {
		output_write(path, json, json_length);
		return;
	}
	if (format == DRAWING_FOLDED)
		text = drawing_fold(profile, levels, 0, &length);
	else
		text = draw(profile, levels, options,
			    format == DRAWING_FRAMES ? FLAMEGRAPH_FRAMES : FLAMEGRAPH_SVG, &length);
	output_write(path, text, length);
}
