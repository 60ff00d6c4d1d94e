/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl list: the targets, one a line. */
#include <stdio.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/table.h"
#include "client/target_text.h"
#include "client/terminal.h"
#include "common/cleanup.h"

static const struct table_column columns[] = {
	{"ID", TABLE_RIGHT, 0},      {"TARGET", TABLE_LEFT, 8}, {"NAME", TABLE_LEFT, 6},
	{"EVENTS", TABLE_LEFT, 6},   {"RATE", TABLE_RIGHT, 0},  {"STATE", TABLE_LEFT, 0},
	{"SAMPLES", TABLE_RIGHT, 0}, {"LOST", TABLE_RIGHT, 0},  {"COST", TABLE_RIGHT, 0},
	{"BUDGET", TABLE_RIGHT, 0},
};

static const char *text_of(const json_t *target, const char *name)
{
	const char *text = json_string_value(json_object_get(target, name));

	return text ? text : "";
}

static double number_of(const json_t *target, const char *name)
{
	return json_number_value(json_object_get(target, name));
}

static void add_target(struct table *table, const json_t *target)
{
	_cleanup_free_ char *events = target_text_events(target);
	const json_t *overhead = json_object_get(target, "overhead_percent");

	table_add(table, "%.0f", number_of(target, "id"));
	table_add(table, "%s", text_of(target, "target"));
	table_add(table, "%s", text_of(target, "name"));
	table_add(table, "%s", events);
	table_add(table, "%.0f", number_of(target, "rate_hz"));
	table_add(table, "%s", text_of(target, "state"));
	table_add(table, "%.0f", number_of(target, "samples"));
	table_add(table, "%.0f", number_of(target, "lost"));
	if (json_is_number(overhead))
		table_add(table, "%.2f%%", json_number_value(overhead));
	else
		table_add(table, "?");
	if (number_of(target, "budget_percent") > 0)
		table_add(table, "%g%%", number_of(target, "budget_percent"));
	else
		table_add(table, "none");
}

static int run(struct client *client, int operand_count, char **operands)
{
	struct table table;
	size_t index;
	json_t *target;

	if (operand_count)
		command_misused(client->command, "list takes no operand, but there is \"%s\"",
				operands[0]);
	json_t *result = client_call(client, "list", NULL);
	if (client->json) {
		client_print_json(client, result);
		return EXIT_DONE;
	}
	table_init(&table, columns, ARRAY_SIZE(columns));
	json_array_foreach(json_object_get(result, "targets"), index, target)
	{
		add_target(&table, target);
	}
	if (table.cell_count)
		table_print(&table, terminal_columns(), stdout);
	else
		printf("nothing is attached; flamectl attach PID\n");
	table_fini(&table);
	json_decref(result);
	return EXIT_DONE;
}

const struct command list_command = {
	.name = "list",
	.operands = "",
	.summary = "Show the targets: what, events, rate in force, samples, lost, cost",
	.examples = "  flamectl list\n"
		    "  flamectl --json list | jq '.targets[].pid'\n",
	.run = run,
};
