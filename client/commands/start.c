/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl start: resume sampling. */
#include "client/command.h"
#include "client/command_table.h"
#include "client/target_text.h"

static int run(struct client *client, int operand_count, char **operands)
{
	return target_text_call(client, "start", "started", operand_count, operands);
}

const struct command start_command = {
	.name = "start",
	.operands = "[TARGET...]",
	.summary = "Resume sampling of targets that were stopped, or of all",
	.examples = "  flamectl start 1234\n"
		    "  flamectl start\n",
	.run = run,
};
