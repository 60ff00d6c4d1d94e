/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl detach: forget targets. */
#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/target_text.h"

static int run(struct client *client, int operand_count, char **operands)
{
	if (!operand_count)
		command_misused(client->command,
				"detach what? \"flamectl list\" shows the targets");
	return target_text_call(client, "detach", "detached", operand_count, operands);
}

const struct command detach_command = {
	.name = "detach",
	.operands = "TARGET...",
	.summary = "Forget targets; what was recorded of them stays until it ages out",
	.examples = "  flamectl detach 1234\n"
		    "  flamectl detach 'comm:redis*' all\n",
	.run = run,
};
