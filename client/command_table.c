/* SPDX-License-Identifier: Apache-2.0 */
#include "client/command_table.h"

#include <string.h>

#include "client/command.h"
#include "common/cleanup.h"
#include "common/memory.h"

static const struct command *const commands[] = {
	&attach_command, &detach_command, &stop_command,   &start_command,    &list_command,
	&status_command, &top_command,    &svg_command,    &dump_command,     &record_command,
	&leaks_command,  &diff_command,   &render_command, &collapse_command,
};

const struct command *command_table_get(size_t index)
{
	return index < ARRAY_SIZE(commands) ? commands[index] : NULL;
}

static char *append_name(char *names, const char *name)
{
	_cleanup_free_ char *before = names;

	return memory_format("%s%s%s", before, *before ? ", " : "", name);
}

const struct command *command_table_find(const char *name, char **error)
{
	_cleanup_free_ char *matching = memory_copy_text("", 0);
	_cleanup_free_ char *all = memory_copy_text("", 0);
	const struct command *found = NULL;
	size_t length = strlen(name);
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
		all = append_name(all, commands[i]->name);
		if (strncmp(commands[i]->name, name, length) != 0)
			continue;
		matching = append_name(matching, commands[i]->name);
		found = commands[i];
		count++;
	}
	if (count == 1)
		return found;
	*error = count ? memory_format("\"%s\" may mean %s", name, matching)
		       : memory_format("there is no command \"%s\"; there are %s", name, all);
	return NULL;
}

void command_table_print(FILE *file)
{
	fprintf(file, "\ncommands (flamectl COMMAND --help tells more):\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(file, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
}
