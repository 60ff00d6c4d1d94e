/* SPDX-License-Identifier: Apache-2.0 */
#include "client/target_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "client/command.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "common/text.h"

static const char *member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

char *target_text_name(const json_t *target)
{
	_cleanup_free_ char *text = text_copy_printable(member(target, "target"));
	_cleanup_free_ char *name = text_copy_printable(member(target, "name"));

	if (!json_is_integer(json_object_get(target, "pid")) || !*name)
		return steal_ptr(&text);
	return memory_format("%s (%s)", text, name);
}

char *target_text_events(const json_t *target)
{
	char *text = memory_copy_text("", 0);
	size_t index;
	json_t *event;

	json_array_foreach(json_object_get(target, "events"), index, event)
	{
		_cleanup_free_ char *before = text;
		_cleanup_free_ char *name =
			text_copy_printable(json_is_string(event) ? json_string_value(event) : "");

		text = memory_format("%s%s%s", before, index ? "," : "", name);
	}
	return text;
}

void target_text_print(const json_t *target, const char *verb)
{
	_cleanup_free_ char *name = target_text_name(target);
	_cleanup_free_ char *events = target_text_events(target);

	printf("%s %s: %s at %.0f Hz\n", verb, name, events,
	       json_number_value(json_object_get(target, "rate_hz")));
}

int target_text_call(struct client *client, const char *method, const char *verb, int operand_count,
		     char **operands)
{
	json_t *targets = client_targets(operand_count, operands);
	json_t *parameters = targets ? json_pack("{s:o}", "targets", targets) : NULL;
	json_t *result = client_call(client, method, parameters);
	size_t index;
	json_t *target;

	if (client->json) {
		client_print_json(client, result);
		return EXIT_DONE;
	}
	json_array_foreach(json_object_get(result, "targets"), index, target)
	{
		_cleanup_free_ char *name = target_text_name(target);

		printf("%s %s\n", verb, name);
	}
	if (!json_array_size(json_object_get(result, "targets")))
		puts("nothing is attached; flamectl attach PID");
	json_decref(result);
	return EXIT_DONE;
}
