/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl stop: pause sampling. */
#include "client/command.h"
#include "client/command_table.h"
#include "client/target_text.h"

static int run(struct client *client, int operand_count, char **operands)
{
	return target_text_call(client, "stop", "stopped", operand_count, operands);
}

const struct command stop_command = {
	.name = "stop",
	.operands = "[TARGET...]",
	.summary = "Pause sampling of targets, or of all; the past stays",
	.examples = "  flamectl stop 1234\n"
		    "  flamectl stop\n",
	.run = run,
};
