/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl leaks: what processes hold whose heap is watched, what grows first. */
#include <stdio.h>
#include <string.h>

#include "client/amount.h"
#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/short_name.h"
#include "client/terminal.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/protocol.h"
#include "common/text.h"

#define DEFAULT_COUNT 10
#define INDENT        6 /* of frames, columns */

static struct leaks_values {
	uint64_t older_ns;
	uint64_t count; /* 0: not given */
} values = {.older_ns = 60 * NS_PER_SECOND};

#define FIELD(name) offsetof(struct leaks_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("older", 0, "DURATION", OPTION_DURATION, FIELD(older_ns),
		       "only what has been held for so long (default 60s)", .minimum = 0,
		       .maximum = PROTOCOL_MAX_DURATION_MS * NS_PER_MS),
	COMMAND_OPTION("count", 'n', "N", OPTION_NUMBER, FIELD(count),
		       "show so many stacks of each kind (default 10)", .minimum = 1,
		       .maximum = 10000),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	return 1;
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static double number_of(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Where an allocation is seen in windows alone its free may be missed. */
static int is_known(const json_t *process)
{
	return !json_is_false(json_object_get(process, "known"));
}

static void print_process(const json_t *process)
{
	_cleanup_free_ char *name = text_copy_printable(text_of(process, "name"));
	_cleanup_free_ char *held = amount_bytes(number_of(process, "live_bytes"));
	_cleanup_free_ char *blocks = amount_count(number_of(process, "live_count"), "block");
	_cleanup_free_ char *watched = amount_age(number_of(process, "watched_seconds"));
	const json_t *notes = json_object_get(process, "notes");
	size_t i;
	json_t *note;

	if (is_known(process))
		printf("%s (%.0f): %s in %s, watched for %s, tier %s\n", name,
		       number_of(process, "pid"), held, blocks, watched, text_of(process, "tier"));
	else
		printf("%s (%.0f): what it holds is not known, watched for %s, tier %s\n", name,
		       number_of(process, "pid"), watched, text_of(process, "tier"));
	json_array_foreach(notes, i, note)
	{
		_cleanup_free_ char *text = text_copy_printable(json_string_value(note));

		printf("  %s\n", text);
	}
}

static void print_frames(const json_t *stack)
{
	const json_t *frames = json_object_get(stack, "frames");
	size_t columns = terminal_columns();

	/* The caller of the allocator first, as debuggers do. */
	for (size_t i = json_array_size(frames); i-- > 0;) {
		const json_t *frame = json_array_get(frames, i);
		const char *name = json_string_value(json_array_get(frame, 0));
		_cleanup_free_ char *text = text_copy_printable(name ? name : "?");
		_cleanup_free_ char *fitting =
			short_name(text, columns > INDENT ? columns - INDENT : 0);

		printf("%*s%s\n", INDENT, "", fitting);
	}
}

static void print_stack(const json_t *stack)
{
	_cleanup_free_ char *held = amount_bytes(number_of(stack, "bytes"));
	_cleanup_free_ char *error = amount_bytes(number_of(stack, "error_bytes"));
	_cleanup_free_ char *blocks = amount_count(number_of(stack, "count"), "block");
	_cleanup_free_ char *growth = amount_bytes(number_of(stack, "growth_per_minute"));
	_cleanup_free_ char *age = amount_age(number_of(stack, "oldest_seconds"));

	printf("  %s \xc2\xb1 %s in %s, %s%s/min, oldest %s\n", held, error, blocks,
	       number_of(stack, "growth_per_minute") < 0 ? "" : "+", growth, age);
	print_frames(stack);
}

/* Those with a verdict, under a title. Returns how many there are. */
static size_t print_kind(const json_t *stacks, const char *verdict, const char *title)
{
	uint64_t most = values.count ? values.count : DEFAULT_COUNT;
	size_t i, count = 0;
	json_t *stack;

	json_array_foreach(stacks, i, stack)
	{
		if (strcmp(text_of(stack, "verdict"), verdict) != 0)
			continue;
		if (!count++)
			printf("\n%s\n", title);
		if (count <= most)
			print_stack(stack);
	}
	if (count > most)
		printf("  ... and %zu more (-n shows them)\n", count - (size_t)most);
	return count;
}

static void print_result(const json_t *result)
{
	const json_t *processes = json_object_get(result, "processes");
	const json_t *stacks = json_object_get(result, "stacks");
	_cleanup_free_ char *older = amount_age((double)values.older_ns / NS_PER_SECOND);
	_cleanup_free_ char *leaks =
		memory_format("leaks: held for %s or longer, and growing look after look", older);
	_cleanup_free_ char *caches = memory_format(
		"not growing look after look: held for %s or longer, as caches are", older);
	_cleanup_free_ char *unclear = memory_format(
		"too early to tell: held for %s or longer, not looked at for long", older);
	size_t i, count, known_count = 0;
	json_t *process;

	json_array_foreach(processes, i, process)
	{
		print_process(process);
		known_count += (size_t)is_known(process);
	}
	count = print_kind(stacks, "leak", leaks);
	count += print_kind(stacks, "unclear", unclear);
	count += print_kind(stacks, "cache", caches);
	if (!count && known_count)
		printf("\nnothing has been held for %s%s\n", older,
		       known_count < json_array_size(processes) ? " where that is known" : "");
}

static int run(struct client *client, int operand_count, char **operands)
{
	json_t *targets = client_targets(operand_count, operands);
	json_t *parameters =
		json_pack("{s:I, s:I}", "older_ms", (json_int_t)(values.older_ns / NS_PER_MS),
			  "limit", (json_int_t)(values.count > 100 ? values.count : 100));

	if (targets)
		json_object_set_new(parameters, "targets", targets);
	json_t *result = client_call(client, "leaks", parameters);
	if (client->json) {
		client_print_json(client, result);
		return EXIT_DONE;
	}
	print_result(result);
	json_decref(result);
	return EXIT_DONE;
}

const struct command leaks_command = {
	.name = "leaks",
	.operands = "[TARGET...]",
	.summary = "Show what is held, by stack, what keeps growing first",
	.examples = "  flamectl attach 1234 -e heap\n"
		    "  flamectl leaks 1234\n"
		    "  flamectl leaks 1234 --older 5m -n 3\n",
	.list_options = list_options,
	.run = run,
};
