/* SPDX-License-Identifier: Apache-2.0 */
#include "client/selection.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "client/client.h"
#include "client/connection.h"
#include "client/output.h"
#include "client/reading.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/profile.h"
#include "common/profile_json.h"
#include "common/protocol.h"
#include "common/quality.h"
#include "common/text.h"

#define DEFAULT_LAST_NS (PROTOCOL_DEFAULT_LAST_MS * NS_PER_MS)

const char *const selection_events[] = {"cpu", "offcpu", "heap", "fault", "wall", NULL};
const char *const selection_units[] = {"samples", "ms", "us", "ns", "bytes", "count", NULL};

/* What the words of selection_units mean; -1 is "not given". */
static const enum stack_unit units[] = {STACK_UNIT_SAMPLES, STACK_UNIT_MS,    STACK_UNIT_US,
					STACK_UNIT_NS,      STACK_UNIT_BYTES, STACK_UNIT_SAMPLES};

#define FIELD(name) offsetof(struct selection, name)

static const struct command_option window_options[] = {
	COMMAND_OPTION("last", 0, "DURATION", OPTION_DURATION, FIELD(last_ns),
		       "the window that ends now (default 30s)", .minimum = NS_PER_MS,
		       .maximum = PROTOCOL_MAX_DURATION_MS * NS_PER_MS),
	COMMAND_OPTION("from", 0, "TIME", OPTION_TIME, FIELD(from_ns),
		       "start of the window: -5m, 14:03:10, RFC 3339, @SECONDS"),
	COMMAND_OPTION("to", 0, "TIME", OPTION_TIME, FIELD(to_ns), "its end (default now)"),
};

static const struct command_option options[] = {
	COMMAND_OPTION("event", 'e', "EVENT", OPTION_WORD, FIELD(event),
		       "what to show: cpu (default), offcpu, heap, fault, wall",
		       .words = selection_events),
	COMMAND_OPTION("tid", 0, "TID", OPTION_NUMBER, FIELD(tid), "this thread only", .minimum = 1,
		       .maximum = INT32_MAX),
	COMMAND_OPTION("by-thread", 0, NULL, OPTION_FLAG, FIELD(by_thread),
		       "a level for the thread: name/tid"),
	COMMAND_OPTION("by-process", 0, NULL, OPTION_FLAG, FIELD(by_process),
		       "tell processes of one name apart: name/pid"),
	COMMAND_OPTION("no-kernel", 0, NULL, OPTION_FLAG, FIELD(no_kernel),
		       "leave out frames of the kernel"),
	COMMAND_OPTION("no-user", 0, NULL, OPTION_FLAG, FIELD(no_user),
		       "leave out frames of programs"),
	COMMAND_OPTION("lines", 0, NULL, OPTION_FLAG, FIELD(lines), "tell lines of source apart"),
	COMMAND_OPTION("inline", 0, NULL, OPTION_FLAG, FIELD(inlined), "show inlined functions"),
	COMMAND_OPTION("idle", 0, NULL, OPTION_FLAG, FIELD(idle),
		       "show threads that slept throughout"),
	COMMAND_OPTION("unit", 0, "UNIT", OPTION_WORD, FIELD(unit),
		       "samples (or count), ms, us, ns or bytes", .words = selection_units),
	COMMAND_OPTION("min-quality", 0, "PERCENT", OPTION_PERCENT, FIELD(min_quality),
		       "fail if fewer stacks are whole and named"),
};

void selection_init(struct selection *selection)
{
	*selection = (struct selection){
		.unit = -1,
	};
}

struct option_set selection_window_options(struct selection *selection)
{
	return (struct option_set){
		.title = "which time",
		.options = window_options,
		.count = ARRAY_SIZE(window_options),
		.values = selection,
	};
}

struct option_set selection_options(struct selection *selection)
{
	return (struct option_set){
		.title = "which samples",
		.options = options,
		.count = ARRAY_SIZE(options),
		.values = selection,
	};
}

struct stack_levels selection_levels(const struct selection *selection)
{
	return (struct stack_levels){
		.unit = selection->unit < 0 ? STACK_UNIT_DEFAULT : units[selection->unit],
		.by_process = selection->by_process,
		.by_thread = selection->by_thread,
	};
}

/* --- the question ------------------------------------------------------------------------- */

static void add_flag(json_t *parameters, const char *name, int is_set, int value)
{
	if (is_set)
		json_object_set_new(parameters, name, json_boolean(value));
}

/* The parameters of `dump`; only what differs from its defaults. Owned (json_decref). */
static json_t *make_parameters(const struct selection *selection, int operand_count,
			       char **operands)
{
	json_t *parameters = json_object();
	json_t *targets = client_targets(operand_count, operands);

	if (targets)
		json_object_set_new(parameters, "targets", targets);
	if (selection->event)
		json_object_set_new(parameters, "event",
				    json_string(selection_events[selection->event]));
	if (selection->from_ns)
		json_object_set_new(parameters, "from",
				    json_real((double)selection->from_ns / (double)NS_PER_SECOND));
	if (selection->to_ns)
		json_object_set_new(parameters, "to",
				    json_real((double)selection->to_ns / (double)NS_PER_SECOND));
	if (!selection->from_ns && !selection->to_ns) {
		uint64_t last_ns = selection->last_ns ? selection->last_ns : DEFAULT_LAST_NS;

		json_object_set_new(parameters, "last_ms",
				    json_integer((json_int_t)(last_ns / NS_PER_MS)));
	}
	if (selection->tid)
		json_object_set_new(parameters, "tid", json_integer((json_int_t)selection->tid));
	add_flag(parameters, "kernel", selection->no_kernel, 0);
	add_flag(parameters, "user", selection->no_user, 0);
	add_flag(parameters, "idle", selection->idle, 1);
	add_flag(parameters, "lines", selection->lines, 1);
	add_flag(parameters, "inline", selection->inlined, 1);
	add_flag(parameters, "waker", selection->waker, 1);
	add_flag(parameters, "slices", selection->slices, 1);
	return parameters;
}

static void check_options(const struct client *client, const struct selection *selection)
{
	if (selection->no_kernel && selection->no_user)
		command_misused(client->command,
				"--no-kernel and --no-user together leave no frame");
	if (selection->last_ns && selection->from_ns)
		command_misused(client->command, "--last and --from are two windows");
	if (selection->to_ns && !selection->from_ns)
		command_misused(client->command, "--to needs --from");
	if (selection->to_ns && selection->to_ns <= selection->from_ns)
		command_misused(client->command, "--to lies before --from");
}

/* --- the answer --------------------------------------------------------------------------- */

static void tell_notes(const struct profile *profile)
{
	for (uint32_t i = 0; i < profile->note_count; i++) {
		_cleanup_free_ char *note =
			text_copy_printable(profile_text(profile, profile->notes[i]));

		warnx("%s", note);
	}
}

/* Read the profile in an answer that is no error; exits when there is none. */
static struct profile *read_profile(const struct answer *answer)
{
	const char *error = "it is no stream";
	struct profile *profile;

	if (!answer->stream ||
	    profile_json_read(answer->stream, answer->stream_length, &profile, &error) < 0)
		errx(EXIT_FAILED, "the answer of flamed cannot be used: %s", error);
	return profile;
}

/* Ask, and take the profile out of the answer; NULL when it is an error. */
static struct profile *ask(struct client *client, const struct selection *selection,
			   int operand_count, char **operands, struct answer *answer)
{
	check_options(client, selection);
	client_ask(client, "dump", make_parameters(selection, operand_count, operands), answer);
	return answer->error ? NULL : read_profile(answer);
}

/* Hand the text of the answer over to who wants it. */
static void take_json(struct answer *answer, char **json, size_t *length)
{
	if (!json)
		return;
	*json = steal_ptr(&answer->stream);
	*length = answer->stream_length;
}

void selection_check_file(const struct client *client, const struct selection *selection)
{
	if (selection->last_ns || selection->from_ns || selection->to_ns || selection->event ||
	    selection->tid || selection->no_kernel || selection->no_user || selection->lines ||
	    selection->inlined || selection->idle || selection->waker)
		command_misused(client->command, "a file holds what was recorded: what to select "
						 "is for flamed");
}

static struct profile *read_file(const char *path, char **json, size_t *length)
{
	struct profile *profile = reading_profile(path);
	FILE *file = json ? open_memstream(json, length) : NULL;

	if (!json)
		return profile;
	if (!file || profile_json_write(profile, output_piece, file) || fclose(file))
		err(EXIT_FAILED, "%s", path);
	return profile;
}

struct profile *selection_fetch(struct client *client, const struct selection *selection,
				int operand_count, char **operands, char **json, size_t *length)
{
	struct answer answer;

	if (operand_count == 1 && reading_is_file(operands[0])) {
		selection_check_file(client, selection);
		struct profile *profile = read_file(operands[0], json, length);
		tell_notes(profile);
		return profile;
	}
	struct profile *profile = ask(client, selection, operand_count, operands, &answer);

	if (!profile)
		exit(client_report(client, &answer));
	if (selection->lines)
		profile_name_lines(profile);
	/* Who did not name a window need not be told that it is short. */
	if (selection->last_ns || selection->from_ns)
		tell_notes(profile);
	take_json(&answer, json, length);
	answer_fini(&answer);
	return profile;
}

struct profile *selection_try(struct client *client, const struct selection *selection,
			      int operand_count, char **operands, char **json, size_t *length,
			      char **reason)
{
	struct answer answer;
	struct profile *profile = ask(client, selection, operand_count, operands, &answer);

	if (!profile)
		*reason = text_copy_printable(answer.error);
	else if (selection->lines)
		profile_name_lines(profile);
	take_json(&answer, json, length);
	answer_fini(&answer);
	return profile;
}

/* --- quality ------------------------------------------------------------------------------ */

int selection_judge_quality(const struct selection *selection, const struct profile *profile)
{
	double quality = quality_named_percent(profile);

	if (quality >= selection->min_quality)
		return EXIT_DONE;
	warnx("%.1f%% of the samples have whole, named stacks, less than the %g%% asked for",
	      quality, selection->min_quality);
	return EXIT_FAILED;
}
