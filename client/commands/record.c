/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flamectl record: attach, wait, draw, detach, in one go. Of a process that runs, or of a command
 * that is started for it: then it is sampled from its first instruction, keeps the terminal for
 * itself, and its exit code becomes ours.
 */
#include <err.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client/child.h"
#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "client/connection.h"
#include "client/drawing.h"
#include "client/progress.h"
#include "client/selection.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/parse.h"
#include "common/profile.h"
#include "common/protocol.h"

#define DEFAULT_DURATION_NS (10 * NS_PER_SECOND)
#define TICK_MS             250 /* between two looks at the samples */
#define EXIT_NO_PROGRAM     127 /* as shells have it */
#define EXIT_NO_EXECUTION   126

static struct record_values {
	uint64_t duration_ns; /* 0: not given */
	uint64_t rate_hz;     /* 0: not given */
	const char *output;
	int format; /* enum drawing_format */
	int no_children;
	int waker;
} values;

static struct selection selection;
static struct flamegraph_options look;

#define FIELD(name) offsetof(struct record_values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("duration", 'd', "DURATION", OPTION_DURATION, FIELD(duration_ns),
		       "how long (default 10s; a command: until it ends)", .minimum = NS_PER_MS,
		       .maximum = PROTOCOL_MAX_DURATION_MS * NS_PER_MS),
	COMMAND_OPTION("rate", 'F', "HZ", OPTION_NUMBER, FIELD(rate_hz),
		       "samples per second and CPU (default 99)", .minimum = PROTOCOL_MIN_RATE_HZ,
		       .maximum = PROTOCOL_MAX_RATE_HZ),
	COMMAND_OPTION("no-children", 0, NULL, OPTION_FLAG, FIELD(no_children),
		       "do not follow child processes"),
	COMMAND_OPTION("output", 'o', "FILE", OPTION_TEXT, FIELD(output),
		       "write to this file, not to flame-....svg"),
	COMMAND_OPTION("format", 'f', "FORMAT", OPTION_WORD, FIELD(format),
		       "svg (default), folded, json or frames", .words = drawing_formats),
	COMMAND_OPTION("waker", 0, NULL, OPTION_FLAG, FIELD(waker),
		       "show who ended each sleep, above a -- frame"),
};

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	selection_init(&selection);
	flamegraph_options_init(&look);
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	sets[1] = selection_options(&selection);
	sets[2] = drawing_options(&look);
	return 3;
}

/* What is recorded. */
struct recording {
	struct client *client;
	pid_t pid;
	char pid_text[16];
	struct child *child; /* NULL: the process is not ours */
	int signals;         /* signalfd */
	int process;         /* pidfd; -1: on another host */
	int is_ours;         /* attached for this recording */
	double samples_before;
	uint64_t start_ns; /* boot time */
	uint64_t limit_ns; /* 0: until the process ends */
};

/* --- targets ------------------------------------------------------------------------------ */

/* The target of our pid as `list` shows it, or NULL. Owned (json_decref). */
static json_t *find_target(const struct recording *recording)
{
	json_t *result = client_call(recording->client, "list", NULL);
	json_t *found = NULL;
	size_t index;
	json_t *target;

	json_array_foreach(json_object_get(result, "targets"), index, target)
	{
		const char *text = json_string_value(json_object_get(target, "target"));
		const char *state = json_string_value(json_object_get(target, "state"));

		if (text && state && strcmp(text, recording->pid_text) == 0 &&
		    strcmp(state, "exited") != 0)
			found = json_incref(target);
	}
	json_decref(result);
	return found;
}

static int has_event(const json_t *target, const char *wanted)
{
	size_t index;
	json_t *event;

	json_array_foreach(json_object_get(target, "events"), index, event)
	{
		const char *name = json_string_value(event);

		if (name && strcmp(name, wanted) == 0)
			return 1;
	}
	return 0;
}

/* What has to be measured for event: wall-clock time is made of two. Owned (json_decref). */
static json_t *needed_events(const char *event)
{
	return strcmp(event, "wall") == 0 ? json_pack("[ss]", "cpu", "offcpu")
					  : json_pack("[s]", event);
}

static int has_events(const json_t *target, const char *event)
{
	json_t *needed = needed_events(event);
	int has_all = 1;
	size_t index;
	json_t *one;

	json_array_foreach(needed, index, one) has_all &= has_event(target, json_string_value(one));
	json_decref(needed);
	return has_all;
}

/* Non-zero when somebody has it sampled already in a way that will do. */
static int is_sampled(const json_t *target, const char *event)
{
	const char *state = json_string_value(json_object_get(target, "state"));

	return target && state && strcmp(state, "running") == 0 && !values.rate_hz &&
	       !values.no_children && has_events(target, event) &&
	       (!values.waker || json_is_true(json_object_get(target, "waker")));
}

/* What the target measures already goes on: somebody wants it. */
static void keep_events(json_t *parameters, const json_t *target)
{
	json_t *events = json_object_get(parameters, "events");
	json_t *needed = json_copy(events);
	size_t index;
	json_t *event;

	json_array_foreach(json_object_get(target, "events"), index, event)
	{
		size_t k;
		json_t *other;
		int is_there = 0;

		json_array_foreach(needed, k, other) is_there |= json_equal(event, other);
		if (!is_there)
			json_array_append(events, event);
	}
	json_decref(needed);
	if (json_is_true(json_object_get(target, "waker")))
		json_object_set_new(parameters, "waker", json_true());
}

/* Have the process sampled; returns 0, or an exit code when that is not possible. */
static int attach(struct recording *recording)
{
	const char *event = selection_events[selection.event];
	struct answer answer;
	json_t *target = find_target(recording);

	recording->samples_before = json_number_value(json_object_get(target, "samples"));
	if (is_sampled(target, event)) {
		json_decref(target);
		return 0;
	}
	json_t *parameters =
		json_pack("{s:i, s:o}", "pid", (int)recording->pid, "events", needed_events(event));
	keep_events(parameters, target);
	json_decref(target);
	if (values.rate_hz)
		json_object_set_new(parameters, "rate_hz",
				    json_integer((json_int_t)values.rate_hz));
	if (values.no_children)
		json_object_set_new(parameters, "children", json_false());
	if (values.waker)
		json_object_set_new(parameters, "waker", json_true());
	client_ask(recording->client, "attach", parameters, &answer);
	int code = answer.error ? client_report(recording->client, &answer) : 0;
	recording->is_ours = json_is_true(json_object_get(answer.result, "new"));
	answer_fini(&answer);
	return code;
}

static void detach(const struct recording *recording)
{
	struct answer answer;

	if (!recording->is_ours)
		return;
	client_ask(recording->client, "detach",
		   json_pack("{s:[s]}", "targets", recording->pid_text), &answer);
	answer_fini(&answer); /* it may have ended and aged out by itself */
}

/* --- waiting ------------------------------------------------------------------------------ */

static double elapsed_seconds(const struct recording *recording)
{
	return (double)(clock_boot_ns() - recording->start_ns) / (double)NS_PER_SECOND;
}

/* A command that writes to the terminal has it for itself. */
static int has_progress(const struct recording *recording)
{
	return isatty(STDERR_FILENO) && !(recording->child && isatty(STDOUT_FILENO));
}

static void show_progress(const struct recording *recording)
{
	if (!has_progress(recording))
		return;
	json_t *target = find_target(recording);
	_cleanup_free_ char *text = memory_format(
		"%.0f samples; Ctrl-C ends it",
		json_number_value(json_object_get(target, "samples")) - recording->samples_before);

	progress_show(elapsed_seconds(recording),
		      (double)recording->limit_ns / (double)NS_PER_SECOND, text);
	json_decref(target);
}

/*
 * Take a signal that was sent to us. A command gets what we get; from the terminal it has it
 * already. Returns non-zero when the recording should end.
 */
static int take_signal(const struct recording *recording)
{
	struct signalfd_siginfo signal;

	if (read(recording->signals, &signal, sizeof(signal)) != (ssize_t)sizeof(signal))
		return 0;
	if (!recording->child)
		return 1;
	if (signal.ssi_code != SI_KERNEL)
		kill(recording->pid, (int)signal.ssi_signo);
	return 0;
}

/* How long to wait for something to happen, in ms. */
static int next_wait_ms(const struct recording *recording)
{
	uint64_t end_ns = recording->start_ns + recording->limit_ns;
	uint64_t now_ns = clock_boot_ns();
	int tick_ms = has_progress(recording) ? TICK_MS : -1;

	if (!recording->limit_ns)
		return tick_ms;
	if (now_ns >= end_ns)
		return 0;
	double left_ms = ceil((double)(end_ns - now_ns) / (double)NS_PER_MS);
	return tick_ms < 0 || left_ms < tick_ms ? (int)fmin(left_ms, INT32_MAX) : tick_ms;
}

/* Wait until the time is over, the process ends or the user has had enough. */
static void wait_for_end(const struct recording *recording)
{
	struct pollfd files[] = {
		{.fd = recording->signals, .events = POLLIN},
		{.fd = recording->process, .events = POLLIN},
	};
	int wait_ms;

	while ((wait_ms = next_wait_ms(recording)) != 0) {
		show_progress(recording);
		int count = poll(files, ARRAY_SIZE(files), wait_ms);

		if (count > 0 && (files[1].revents & POLLIN))
			break;
		if (count > 0 && (files[0].revents & POLLIN) && take_signal(recording))
			break;
	}
	progress_clear();
}

/* The picture is made; pass signals on until the command has ended. Returns its exit code. */
static int wait_for_child(const struct recording *recording)
{
	struct pollfd files[] = {
		{.fd = recording->signals, .events = POLLIN},
		{.fd = recording->process, .events = POLLIN},
	};

	while (!(files[1].revents & POLLIN)) {
		if (poll(files, ARRAY_SIZE(files), -1) > 0 && (files[0].revents & POLLIN))
			take_signal(recording);
	}
	return child_wait(recording->child);
}

/* --- the picture -------------------------------------------------------------------------- */

/* Tell where the picture is: on standard output, unless that is the command's. */
static void tell_file(const struct recording *recording, const char *path,
		      const struct profile *profile)
{
	double samples = 0;

	for (uint32_t i = 0; i < profile->row_count; i++)
		samples += profile->rows[i].count;
	if (recording->client->json && !recording->child) {
		client_print_json(recording->client,
				  json_pack("{s:s, s:f}", "file", path, "samples", samples));
		return;
	}
	fprintf(recording->child ? stderr : stdout, "%s\n", path);
}

/* Draw what was recorded. Returns an exit code. */
static int draw(struct recording *recording)
{
	char *operands[] = {recording->pid_text};
	_cleanup_free_ char *reason = NULL;
	_cleanup_free_ char *json = NULL;
	_cleanup_free_ char *name = NULL;
	size_t json_length = 0;

	selection.last_ns = clock_boot_ns() - recording->start_ns + NS_PER_MS;
	_cleanup_(profile_freep) struct profile *profile = selection_try(
		recording->client, &selection, 1, operands, &json, &json_length, &reason);
	if (!profile) {
		warnx("%s", reason);
		return EXIT_FAILED;
	}
	struct stack_levels levels = selection_levels(&selection);
	if (!values.output && values.format == DRAWING_SVG)
		name = drawing_file_name(recording->client, profile, 1, operands);
	const char *path = name ? name : values.output;
	drawing_write(profile, &levels, &look, (enum drawing_format)values.format, json,
		      json_length, path);
	if (path && strcmp(path, "-") != 0)
		tell_file(recording, path, profile);
	return selection_judge_quality(&selection, profile);
}

/* --- both ways ---------------------------------------------------------------------------- */

/* Signals arrive on a file descriptor from now on; *mask is as it was before. */
static int catch_signals(sigset_t *mask)
{
	sigset_t caught;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGQUIT);
	sigprocmask(SIG_BLOCK, &caught, mask);
	int fd = signalfd(-1, &caught, SFD_CLOEXEC);
	if (fd < 0)
		err(EXIT_FAILED, "signalfd");
	return fd;
}

static int record_process(struct client *client, const char *text)
{
	struct recording recording = {.client = client, .process = -1};
	sigset_t mask;
	uint64_t pid;

	if (parse_u64(text, strlen(text), 1, INT32_MAX, &pid) < 0)
		command_misused(client->command,
				"\"%s\" is no process id; a command stands behind --", text);
	recording.pid = (pid_t)pid;
	snprintf(recording.pid_text, sizeof(recording.pid_text), "%d", (int)recording.pid);
	recording.limit_ns = values.duration_ns ? values.duration_ns : DEFAULT_DURATION_NS;
	recording.signals = catch_signals(&mask);
	int code = attach(&recording);
	if (code)
		return code;
	recording.start_ns = clock_boot_ns();
	if (!client->host)
		recording.process = pidfd_open(recording.pid, 0);
	wait_for_end(&recording);
	code = draw(&recording);
	detach(&recording);
	return code;
}

static int tell_exec_failed(const char *program, int error)
{
	warnx("%s cannot be run: %s", program, strerror(-error));
	return error == -ENOENT ? EXIT_NO_PROGRAM : EXIT_NO_EXECUTION;
}

static int run_and_record(struct client *client, char **arguments)
{
	struct child child;
	struct recording recording = {.client = client, .child = &child};
	sigset_t mask;

	if (client->host)
		command_misused(client->command, "a command runs here, not on %s", client->host);
	client_connect(client);
	recording.signals = catch_signals(&mask);
	int error = child_start(&child, arguments, &mask);
	if (error)
		errx(EXIT_FAILED, "no process can be started: %s", strerror(-error));
	recording.pid = child.pid;
	snprintf(recording.pid_text, sizeof(recording.pid_text), "%d", (int)recording.pid);
	recording.limit_ns = values.duration_ns;
	recording.process = pidfd_open(recording.pid, 0);
	int code = attach(&recording);
	if (code)
		exit(code); /* the child sees that we are gone */
	recording.start_ns = clock_boot_ns();
	error = child_release(&child);
	if (error) {
		detach(&recording);
		return tell_exec_failed(arguments[0], error);
	}
	wait_for_end(&recording);
	/* What became of the picture is told, but the exit code is the command's. */
	draw(&recording);
	detach(&recording);
	return wait_for_child(&recording);
}

static int run(struct client *client, int operand_count, char **operands)
{
	selection.waker = values.waker;
	if (values.waker)
		drawing_show_wakers(&look);
	/* operands[-1] is what stood before them on the command line. */
	int is_command = operand_count > 0 && strcmp(operands[-1], "--") == 0;

	if (!operand_count)
		command_misused(client->command, "record what? Name a PID, or a command behind --");
	if (client->host_count > 1 && values.output)
		command_misused(client->command, "-o would be overwritten by the next host");
	if (is_command)
		return run_and_record(client, operands);
	if (operand_count > 1)
		command_misused(client->command,
				"one process at a time; a command stands behind --");
	return record_process(client, operands[0]);
}

const struct command record_command = {
	.name = "record",
	.operands = "PID | -- COMMAND ARG...",
	.summary = "Sample a process for a while, or a command while it runs, and draw it",
	.examples = "  flamectl record -d 10s 1234\n"
		    "  flamectl record -o build.svg -F 499 -- make -j4\n"
		    "  flamectl record --by-thread -- python3 script.py\n",
	.list_options = list_options,
	.run = run,
};
