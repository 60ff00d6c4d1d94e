/* SPDX-License-Identifier: Apache-2.0 */
/* flamectl status: how the daemon is, what it holds, what it lost. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client/client.h"
#include "client/command.h"
#include "client/command_table.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "common/text.h"

#define LABEL_WIDTH 12

static const struct {
	double seconds;
	const char *unit;
} time_units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};

/* The two largest units: "3 h 12 min". Owned (free). */
static char *format_seconds(double seconds)
{
	double left = floor(seconds);

	for (size_t i = 0; i < ARRAY_SIZE(time_units); i++) {
		double size = time_units[i].seconds;

		if (left < size && i + 1 < ARRAY_SIZE(time_units))
			continue;
		double count = floor(left / size);
		double rest = left - count * size;
		if (i + 1 == ARRAY_SIZE(time_units) || rest < time_units[i + 1].seconds)
			return memory_format("%.0f %s", count, time_units[i].unit);
		return memory_format("%.0f %s %.0f %s", count, time_units[i].unit,
				     floor(rest / time_units[i + 1].seconds),
				     time_units[i + 1].unit);
	}
	return memory_format("0 s");
}

static double number_at(const json_t *object, const char *name)
{
	return json_number_value(json_object_get(object, name));
}

/* Text of a member, clean for terminals. Owned (free). */
static char *text_at(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text_copy_printable(text ? text : "?");
}

static double mib_at(const json_t *object, const char *name)
{
	return number_at(object, name) / (1 << 20);
}

static void print_daemon(const json_t *status)
{
	_cleanup_free_ char *version = text_at(status, "version");
	_cleanup_free_ char *uptime = format_seconds(number_at(status, "uptime_seconds"));

	printf("%-*sversion %s, pid %.0f, up %s\n", LABEL_WIDTH, "flamed", version,
	       number_at(status, "pid"), uptime);
}

static void print_sampling(const json_t *status)
{
	const json_t *sampling = json_object_get(status, "sampling");
	_cleanup_free_ char *event = text_at(sampling, "event");
	_cleanup_free_ char *walk = text_at(sampling, "walk");
	_cleanup_free_ char *mappings = text_at(sampling, "mappings");
	double targets = number_at(status, "targets");

	printf("%-*s%.0f target%s, %s at %.0f Hz on %.0f CPUs\n", LABEL_WIDTH, "sampling", targets,
	       targets == 1 ? "" : "s", event, number_at(sampling, "rate_hz"),
	       number_at(sampling, "cpus"));
	printf("%-*s%s; mappings from %s\n", LABEL_WIDTH, "stacks", walk, mappings);
}

/* What is in force for sleeps and page faults, while somebody wants them. */
static void print_watch(const json_t *status)
{
	const json_t *watch = json_object_get(json_object_get(status, "sampling"), "watch");

	if (!json_is_true(json_object_get(watch, "is_on")))
		return;
	printf("%-*s%.0f walks a second of each thread, hooks attached %.0f%% of the time; "
	       "%.2f%% of one CPU\n",
	       LABEL_WIDTH, "watching", number_at(watch, "walks_hz"),
	       100 * number_at(watch, "duty"), number_at(watch, "cost_percent"));
	printf("%-*sa switch %.0f ns (%s), a walk %.1f us\n", LABEL_WIDTH, "",
	       number_at(watch, "hit_ns"),
	       json_is_true(json_object_get(watch, "is_measured")) ? "measured here"
								   : "as elsewhere",
	       number_at(watch, "walk_ns") / 1000);
}

/* Only where it was measured, for it was needed then. */
static void print_probes(const json_t *status)
{
	const json_t *probes = json_object_get(json_object_get(status, "sampling"), "probes");

	if (json_is_true(json_object_get(probes, "measured")))
		printf("%-*san allocation %.0f ns, a free %.0f ns, %.1f \xc2\xb5s more where "
		       "the instruction has to be stepped\n",
		       LABEL_WIDTH, "probes", number_at(probes, "pair_ns"),
		       number_at(probes, "free_ns"), number_at(probes, "dear_ns") / 1000);
}

static void print_past(const json_t *status)
{
	const json_t *buckets = json_object_get(status, "buckets");
	const json_t *oldest = json_object_get(status, "oldest");
	_cleanup_free_ char *kept = format_seconds(number_at(buckets, "retention_ms") / 1000);

	if (json_is_number(oldest)) {
		time_t now = time(NULL);
		_cleanup_free_ char *reach =
			format_seconds(fmax(0, (double)now - json_number_value(oldest)));

		printf("%-*sreaches back %s", LABEL_WIDTH, "past", reach);
	} else {
		printf("%-*sholds nothing yet", LABEL_WIDTH, "past");
	}
	printf(" of %s kept; %.0f buckets of %g s\n", kept, number_at(buckets, "held"),
	       number_at(buckets, "length_ms") / 1000);
}

static void print_cost(const json_t *status)
{
	const json_t *memory = json_object_get(status, "memory");

	printf("%-*s%.1f MiB of history (limit %.0f MiB), %.1f MiB resident\n", LABEL_WIDTH,
	       "memory", mib_at(memory, "history_bytes"), mib_at(memory, "limit_bytes"),
	       mib_at(memory, "rss_bytes"));
	printf("%-*s%.2f%% of one CPU over the last minute\n", LABEL_WIDTH, "cost",
	       number_at(status, "cpu_percent"));
}

static void print_debuginfod(const json_t *status)
{
	const json_t *debuginfod = json_object_get(status, "debuginfod");
	size_t index;
	json_t *server;

	if (!json_is_true(json_object_get(debuginfod, "on")))
		return;
	printf("%-*sfetched from", LABEL_WIDTH, "debug files");
	json_array_foreach(json_object_get(debuginfod, "servers"), index, server)
	{
		_cleanup_free_ char *text = text_copy_printable(
			json_is_string(server) ? json_string_value(server) : "?");

		printf(" %s", text);
	}
	putchar('\n');
}

static void print_samples(const json_t *status)
{
	const json_t *samples = json_object_get(status, "samples");
	json_t *lost = json_object_get(samples, "lost");
	const char *name;
	json_t *value;
	double sum = 0;
	int count = 0;

	json_object_foreach(lost, name, value)
	{
		sum += json_number_value(value);
	}
	printf("%-*s%.0f taken, %.0f kept, %.0f lost", LABEL_WIDTH, "samples",
	       number_at(samples, "taken"), number_at(samples, "kept"), sum);
	json_object_foreach(lost, name, value)
	{
		_cleanup_free_ char *clean = text_copy_printable(name);

		if (json_number_value(value) != 0)
			printf("%s %s %.0f", count++ ? "," : ":", clean, json_number_value(value));
	}
	putchar('\n');
}

static void print_counters(const json_t *status)
{
	json_t *counters = json_object_get(status, "counters");
	const char *name;
	json_t *value;
	int is_first = 1;

	json_object_foreach(counters, name, value)
	{
		_cleanup_free_ char *clean = text_copy_printable(name);

		printf("%-*s%-32s %14.0f\n", LABEL_WIDTH, is_first ? "counters" : "", clean,
		       json_number_value(value));
		is_first = 0;
	}
}

static void print_problems(const json_t *status)
{
	size_t index;
	json_t *problem;

	json_array_foreach(json_object_get(status, "problems"), index, problem)
	{
		_cleanup_free_ char *text = text_copy_printable(
			json_is_string(problem) ? json_string_value(problem) : "?");

		printf("%-*s%s\n", LABEL_WIDTH, "problem", text);
	}
}

static int run(struct client *client, int operand_count, char **operands)
{
	static void (*const sections[])(const json_t *status) = {
		print_daemon, print_sampling,   print_watch,   print_probes,   print_past,
		print_cost,   print_debuginfod, print_samples, print_problems, print_counters,
	};

	if (operand_count)
		command_misused(client->command, "status takes no operand, but there is \"%s\"",
				operands[0]);
	json_t *status = client_call(client, "status", NULL);
	if (client->json) {
		client_print_json(client, status);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
		sections[i](status);
	json_decref(status);
	return EXIT_DONE;
}

const struct command status_command = {
	.name = "status",
	.operands = "",
	.summary = "Show how flamed is: memory, own CPU share, what it holds, every counter",
	.examples = "  flamectl status\n"
		    "  flamectl --json status | jq .samples\n",
	.run = run,
};
