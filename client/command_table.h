/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every command of flamectl. A command is one file under commands/ that defines its struct command;
 * it is declared here and listed, in the order of --help, in command_table.c.
 */
#ifndef FLAME_CLIENT_COMMAND_TABLE_H
#define FLAME_CLIENT_COMMAND_TABLE_H

#include <stddef.h>
#include <stdio.h>

struct command;

extern const struct command attach_command;
extern const struct command detach_command;
extern const struct command stop_command;
extern const struct command start_command;
extern const struct command leaks_command;
extern const struct command list_command;
extern const struct command status_command;
extern const struct command dump_command;
extern const struct command svg_command;
extern const struct command top_command;
extern const struct command record_command;
extern const struct command diff_command;
extern const struct command render_command;
extern const struct command collapse_command;

/* Command number index, in the order of --help, or NULL behind the last. */
const struct command *command_table_get(size_t index);

/*
 * Return the command called name, or the only one whose name starts with it. Otherwise NULL, and
 * *error says what would be possible, Owned (free).
 */
const struct command *command_table_find(const char *name, char **error);

/* Print the name and the summary of each. */
void command_table_print(FILE *file);

#endif
