/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl attach: register targets, a request for each, and show each on a line. */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/connection.h"
#include "client/target_text.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/parse.h"
#include "common/protocol.h"
#include "common/text.h"

static const char *const event_words[] = {"cpu", "offcpu", "heap", "fault", "wall", NULL};

/* A bit for each of event_words; wall-clock time is not an event of its own but made of two. */
#define EVENT_WORD_CPU    0x01u
#define EVENT_WORD_OFFCPU 0x02u
#define EVENT_WORD_WALL   0x10u

/* 0 or NULL where flamed's own default counts. */
static struct attach_values {
	const char *comm;
	const char *cgroup;
	int all;
	unsigned int events; /* a bit for each of event_words */
	uint64_t rate_hz;
	uint64_t for_ns;
	double budget_percent; /* < 0: not given */
	int no_children;
	int waker;
} values = {.budget_percent = -1};

#define FIELD(name) offsetof(struct attach_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("comm", 0, "GLOB", OPTION_TEXT, FIELD(comm), "processes by name: 'redis*'"),
	COMMAND_OPTION("cgroup", 0, "PATH", OPTION_TEXT, FIELD(cgroup),
		       "processes of a cgroup and all below"),
	COMMAND_OPTION("all", 0, NULL, OPTION_FLAG, FIELD(all), "the whole host"),
	COMMAND_OPTION("event", 'e', "LIST", OPTION_WORDS, FIELD(events),
		       "what to measure: cpu (default), offcpu, heap, fault, wall",
		       .words = event_words),
	COMMAND_OPTION("rate", 'F', "HZ", OPTION_NUMBER, FIELD(rate_hz),
		       "samples per second and CPU (default 99)", .minimum = PROTOCOL_MIN_RATE_HZ,
		       .maximum = PROTOCOL_MAX_RATE_HZ),
	COMMAND_OPTION("for", 0, "DURATION", OPTION_DURATION, FIELD(for_ns),
		       "detach by itself after this", .minimum = NS_PER_MS,
		       .maximum = PROTOCOL_MAX_DURATION_MS * NS_PER_MS),
	COMMAND_OPTION("budget", 0, "PERCENT", OPTION_PERCENT, FIELD(budget_percent),
		       "what it may cost, of the target's CPU (default 1)"),
	COMMAND_OPTION("no-children", 0, NULL, OPTION_FLAG, FIELD(no_children),
		       "do not follow child processes"),
	COMMAND_OPTION("waker", 0, NULL, OPTION_FLAG, FIELD(waker),
		       "offcpu: record who ends each sleep too"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	return 1;
}

/* What all requests have in common. Owned (json_decref). */
static json_t *make_parameters(void)
{
	json_t *parameters = json_object();

	if (values.events) {
		json_t *events = json_array();
		unsigned int wanted = values.events & ~EVENT_WORD_WALL;

		if (values.events & EVENT_WORD_WALL)
			wanted |= EVENT_WORD_CPU | EVENT_WORD_OFFCPU;
		for (size_t i = 0; event_words[i]; i++)
			if (wanted & 1u << i)
				json_array_append_new(events, json_string(event_words[i]));
		json_object_set_new(parameters, "events", events);
	}
	if (values.rate_hz)
		json_object_set_new(parameters, "rate_hz",
				    json_integer((json_int_t)values.rate_hz));
	if (values.for_ns)
		json_object_set_new(parameters, "for_ms",
				    json_integer((json_int_t)(values.for_ns / NS_PER_MS)));
	if (values.budget_percent >= 0)
		json_object_set_new(parameters, "budget_percent", json_real(values.budget_percent));
	if (values.no_children)
		json_object_set_new(parameters, "children", json_false());
	if (values.waker)
		json_object_set_new(parameters, "waker", json_true());
	return parameters;
}

static void tell_warnings(const json_t *result)
{
	const json_t *warnings = json_object_get(result, "warnings");
	size_t index;
	json_t *warning;

	json_array_foreach(warnings, index, warning)
	{
		_cleanup_free_ char *text = text_copy_printable(json_string_value(warning));

		warnx("%s", text);
	}
}

/* Attach one target, whose parameter called name is given. Returns an exit code. */
static int attach_one(struct client *client, const char *name, json_t *value)
{
	json_t *parameters = make_parameters();
	struct answer answer;
	int code = EXIT_DONE;

	if (json_object_set_new(parameters, name, value) < 0)
		errx(EXIT_USAGE, "--%s takes UTF-8 text", name);
	client_ask(client, "attach", parameters, &answer);
	if (answer.error) {
		code = client_report(client, &answer);
	} else if (client->json) {
		client_print_json(client, json_incref(answer.result));
	} else {
		int is_new = json_is_true(json_object_get(answer.result, "new"));

		target_text_print(json_object_get(answer.result, "target"),
				  is_new ? "attached" : "changed");
	}
	tell_warnings(answer.result);
	answer_fini(&answer);
	return code;
}

static uint64_t parse_pid(const struct client *client, const char *text)
{
	uint64_t pid;

	if (parse_u64(text, strlen(text), 1, INT32_MAX, &pid) < 0)
		command_misused(client->command,
				"\"%s\" is no process id; --comm and --cgroup take names", text);
	return pid;
}

static int run(struct client *client, int operand_count, char **operands)
{
	int code = EXIT_DONE;

	if (!operand_count && !values.comm && !values.cgroup && !values.all)
		command_misused(client->command,
				"attach what? Name a PID, --comm, --cgroup or --all");
	for (int i = 0; i < operand_count; i++)
		parse_pid(client, operands[i]);
	for (int i = 0; i < operand_count; i++) {
		uint64_t pid = parse_pid(client, operands[i]);

		code |= attach_one(client, "pid", json_integer((json_int_t)pid));
	}
	if (values.comm)
		code |= attach_one(client, "comm", json_string(values.comm));
	if (values.cgroup)
		code |= attach_one(client, "cgroup", json_string(values.cgroup));
	if (values.all)
		code |= attach_one(client, "all", json_true());
	return code;
}

const struct command attach_command = {
	.name = "attach",
	.operands = "[PID...]",
	.summary = "Sample processes from now on, until they are detached",
	.examples = "  flamectl attach 1234\n"
		    "  flamectl attach --comm 'redis*' -F 499 --for 10m\n"
		    "  flamectl attach --cgroup /system.slice/nginx.service\n"
		    "  flamectl attach --all\n",
	.list_options = list_options,
	.run = run,
};
