/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/parse.h"

#define MIN_BUCKET_NS     (100 * NS_PER_MS)
#define MAX_BUCKET_NS     (3600 * NS_PER_SECOND)
#define MAX_RETENTION_NS  (7 * 24 * 3600 * NS_PER_SECOND)
#define MIN_MEMORY        (UINT64_C(1) << 20)
#define MAX_MEMORY        (UINT64_C(1) << 40)
#define MAX_UNWIND_MEMORY (UINT64_C(1) << 30)
#define OPTION_LONG_ONLY  256 /* values behind those of short options */
#define HELP_COLUMN       28

/* How the argument of an option is read. */
enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_DURATION, OPTION_SIZE, OPTION_PERCENT };

/* An option: the field it is for, its limits and what the help says. */
struct option_rule {
	const char *name;
	char letter; /* 0: long only */
	enum option_kind kind;
	size_t field;
	uint64_t minimum, maximum;
	const char *argument;
	const char *sentence;
	int is_hidden;
};

#define FIELD(name) offsetof(struct options, name)

static const struct option_rule rules[] = {
	{"socket", 's', OPTION_TEXT, FIELD(socket_path), 0, 0, "PATH",
	 "listen here (" DEFAULT_SOCKET_PATH ")", 0},
	{"user", 'u', OPTION_TEXT, FIELD(user), 0, 0, "NAME",
	 "become this user (flamed, or nobody where there is none)", 0},
	{"group", 'g', OPTION_TEXT, FIELD(group), 0, 0, "NAME",
	 "members of this group may do everything (flame)", 0},
	{"bucket", 0, OPTION_DURATION, FIELD(bucket_ns), MIN_BUCKET_NS, MAX_BUCKET_NS, "DURATION",
	 "length of the slices in which the past is kept (1s)", 0},
	{"retention", 0, OPTION_DURATION, FIELD(retention_ns), NS_PER_SECOND, MAX_RETENTION_NS,
	 "DURATION", "how far back the past reaches (10m)", 0},
	{"memory", 'm', OPTION_SIZE, FIELD(memory_bytes), MIN_MEMORY, MAX_MEMORY, "SIZE",
	 "memory for the recorded past (64M)", 0},
	{"unwind-memory", 0, OPTION_SIZE, FIELD(unwind_memory_bytes), MIN_MEMORY, MAX_UNWIND_MEMORY,
	 "SIZE", "memory for unwind tables, in the kernel (64M)", 0},
	{"budget", 'b', OPTION_PERCENT, FIELD(budget_percent), 0, 0, "PERCENT",
	 "what profiling may cost of a target's CPU time (1)", 0},
	{"debuginfod-cache", 0, OPTION_TEXT, FIELD(debuginfod_cache), 0, 0, "PATH",
	 "keep fetched debug files here, when DEBUGINFOD_URLS is set", 0},
	{"attach-all", 'a', OPTION_FLAG, FIELD(attach_all), 0, 0, NULL,
	 "profile the whole host from the start", 0},
	{"allow-unsafe-kernel", 0, OPTION_FLAG, FIELD(allow_unsafe_kernel), 0, 0, NULL,
	 "load kernel programs even where they may freeze the kernel", 0},
	{"mapping-table", 0, OPTION_FLAG, FIELD(mapping_table), 0, 0, NULL,
	 "read mappings in user space even where the kernel programs can", 1},
	{"copied-stacks", 0, OPTION_FLAG, FIELD(copied_stacks), 0, 0, NULL,
	 "sample with perf events even where kernel programs can", 1},
	{"single-probes", 0, OPTION_FLAG, FIELD(single_probes), 0, 0, NULL,
	 "probe heaps by one perf event a place, as on kernels before 6.6", 1},
	{"verbose", 'v', OPTION_FLAG, FIELD(verbose), 0, 0, NULL, "log what is done and why", 0},
	{"help", 'h', OPTION_FLAG, FIELD(show_help), 0, 0, NULL, "print this and exit", 0},
	{"version", 'V', OPTION_FLAG, FIELD(show_version), 0, 0, NULL, "print the version and exit",
	 0},
};

static const char program[] = "flamed";

static int read_argument(const struct option_rule *rule, const char *argument, void *field)
{
	uint64_t number = 0;
	double percent;
	int error = 0;

	switch (rule->kind) {
	case OPTION_FLAG:
		*(int *)field = 1;
		return 0;
	case OPTION_TEXT:
		*(const char **)field = argument;
		return *argument ? 0 : -EINVAL;
	case OPTION_PERCENT:
		error = parse_percent(argument, strlen(argument), &percent);
		if (!error)
			*(double *)field = percent;
		return error;
	case OPTION_DURATION:
		error = parse_duration(argument, strlen(argument), &number);
		break;
	case OPTION_SIZE:
		error = parse_size(argument, strlen(argument), &number);
		break;
	}
	if (error)
		return error;
	if (number < rule->minimum || number > rule->maximum)
		return -ERANGE;
	*(uint64_t *)field = number;
	return 0;
}

/* Fill in what getopt_long() wants from the table. */
static void describe(struct option *long_options, char *letters)
{
	size_t length = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		int has_argument = rules[i].kind != OPTION_FLAG;

		long_options[i] = (struct option){rules[i].name,
						  has_argument ? required_argument : no_argument,
						  NULL, OPTION_LONG_ONLY + (int)i};
		if (!rules[i].letter)
			continue;
		letters[length++] = rules[i].letter;
		if (has_argument)
			letters[length++] = ':';
	}
	letters[length] = 0;
}

static const struct option_rule *rule_find(int value)
{
	if (value >= OPTION_LONG_ONLY)
		return &rules[value - OPTION_LONG_ONLY];
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].letter == value)
			return &rules[i];
	}
	return NULL;
}

static int refuse(const char *format, const char *what, const char *more)
{
	fprintf(stderr, "%s: ", program);
	/* The formats are the literals below. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(stderr, format, what, more);
#pragma GCC diagnostic pop
	fprintf(stderr, "; see %s --help\n", program);
	return -EINVAL;
}

int options_read(int argc, char **argv, struct options *options)
{
	struct option long_options[ARRAY_SIZE(rules) + 1] = {0};
	char letters[2 * ARRAY_SIZE(rules) + 1];
	const char *urls = getenv("DEBUGINFOD_URLS");
	struct options result = {
		.socket_path = DEFAULT_SOCKET_PATH,
		.group = "flame",
		.bucket_ns = NS_PER_SECOND,
		.retention_ns = 600 * NS_PER_SECOND,
		.memory_bytes = UINT64_C(64) << 20,
		.unwind_memory_bytes = UINT64_C(64) << 20,
		.budget_percent = 1,
	};
	int value;

	if (urls && urls[strspn(urls, " ")])
		result.debuginfod_urls = urls;
	describe(long_options, letters);
	optind = 1;
	while ((value = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		const struct option_rule *rule = rule_find(value);

		if (!rule)
			return -EINVAL; /* getopt_long() said why */
		if (read_argument(rule, optarg, (char *)&result + rule->field))
			return refuse("--%s: '%s' is no value for it or outside its limits",
				      rule->name, optarg);
	}
	if (optind < argc)
		return refuse("unexpected argument '%s'%s", argv[optind], "");
	if (result.retention_ns < result.bucket_ns)
		return refuse("--%s must not be shorter than --%s", "retention", "bucket");
	*options = result;
	return 0;
}

void options_print_help(FILE *file)
{
	fprintf(file, "Usage: %s [OPTION]...\n\n", program);
	fputs("Profiles processes all the time and keeps the recent past; flamectl asks it what\n"
	      "happened. Runs in the foreground and needs root.\n\n",
	      file);
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		char head[64];
		int length = rules[i].letter
				     ? snprintf(head, sizeof(head), "  -%c, --%s", rules[i].letter,
						rules[i].name)
				     : snprintf(head, sizeof(head), "      --%s", rules[i].name);

		if (rules[i].is_hidden)
			continue;
		if (rules[i].argument)
			length += snprintf(head + length, sizeof(head) - (size_t)length, " %s",
					   rules[i].argument);
		fprintf(file, "%-*s %s\n", HELP_COLUMN, head, rules[i].sentence);
	}
	fputs("\nDurations: 500ms 30s 5m 2h. Sizes: 64k 64M 1G.\n\n"
	      "ENVIRONMENT\n"
	      "  DEBUGINFOD_URLS      servers to fetch missing debug files from, by build ID\n\n"
	      "EXAMPLES\n"
	      "  flamed                                   as root, or by systemd\n"
	      "  flamed --attach-all --retention 30m      the whole host, half an hour back\n"
	      "  flamed --socket /tmp/test/flamed.sock    beside another one\n",
	      file);
}
