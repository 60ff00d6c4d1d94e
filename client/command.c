/* SPDX-License-Identifier: Apache-2.0 */
#include "client/command.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/parse.h"

#define HELP_VALUE     1   /* of --help in the list for getopt_long(3) */
#define FIRST_VALUE    256 /* of the first option; no character has it */
#define SUMMARY_COLUMN 28  /* of the summaries in --help */

/* --- values ------------------------------------------------------------------------------- */

static int find_word(const char *const *words, const char *text, size_t length)
{
	for (int i = 0; words[i]; i++)
		if (strlen(words[i]) == length && memcmp(words[i], text, length) == 0)
			return i;
	return -EINVAL;
}

/* "a, b or c". Owned (free). */
static char *join_words(const char *const *words)
{
	char *joined = memory_copy_text("", 0);

	for (size_t i = 0; words[i]; i++) {
		_cleanup_free_ char *before = joined;
		const char *separator = !i ? "" : words[i + 1] ? ", " : " or ";

		joined = memory_format("%s%s%s", before, separator, words[i]);
	}
	return joined;
}

static int set_flag(const struct command_option *option, void *value, const char *argument)
{
	(void)option;
	(void)argument;
	*(int *)value = 1;
	return 0;
}

static int set_text(const struct command_option *option, void *value, const char *argument)
{
	(void)option;
	*(const char **)value = argument;
	return 0;
}

static int add_text(const struct command_option *option, void *value, const char *argument)
{
	struct option_texts *list = value;

	(void)option;
	list->texts =
		memory_grow(list->texts, &list->capacity, list->count + 1, sizeof(*list->texts));
	list->texts[list->count++] = argument;
	return 0;
}

static int set_number(const struct command_option *option, void *value, const char *argument)
{
	return parse_u64(argument, strlen(argument), option->minimum, option->maximum, value);
}

static int set_duration(const struct command_option *option, void *value, const char *argument)
{
	uint64_t duration_ns;
	int error = parse_duration(argument, strlen(argument), &duration_ns);

	if (error)
		return error;
	if (duration_ns < option->minimum || duration_ns > option->maximum)
		return -ERANGE;
	*(uint64_t *)value = duration_ns;
	return 0;
}

static int set_percent(const struct command_option *option, void *value, const char *argument)
{
	(void)option;
	return parse_percent(argument, strlen(argument), value);
}

static int set_time(const struct command_option *option, void *value, const char *argument)
{
	(void)option;
	return parse_time(argument, strlen(argument), (int64_t)clock_wall_ns(), value);
}

static int set_word(const struct command_option *option, void *value, const char *argument)
{
	int word = find_word(option->words, argument, strlen(argument));

	if (word >= 0)
		*(int *)value = word;
	return word < 0 ? word : 0;
}

static int set_words(const struct command_option *option, void *value, const char *argument)
{
	unsigned int bits = 0;

	for (const char *text = argument;; text++) {
		size_t length = strcspn(text, ",");
		int word = find_word(option->words, text, length);

		if (word < 0)
			return word;
		bits |= 1u << word;
		text += length;
		if (!*text)
			break;
	}
	*(unsigned int *)value = bits;
	return 0;
}

static char *explain_number(const struct command_option *option)
{
	return memory_format("a number from %llu to %llu", (unsigned long long)option->minimum,
			     (unsigned long long)option->maximum);
}

/* "at least 1s and at most 10s" in units that divide the limit. */
static char *explain_duration(const struct command_option *option)
{
	return memory_format("a duration like 500ms, 30s, 5m or 2h, from %.9g s to %.9g s",
			     (double)option->minimum / (double)NS_PER_SECOND,
			     (double)option->maximum / (double)NS_PER_SECOND);
}

static char *explain_percent(const struct command_option *option)
{
	(void)option;
	return memory_format("a share from 0 to 100, like 1 or 0.5%%");
}

static char *explain_time(const struct command_option *option)
{
	(void)option;
	return memory_format("a time like -5m, 14:03:10, 2026-01-31T14:03:10 or @1700000000");
}

static char *explain_word(const struct command_option *option)
{
	return join_words(option->words);
}

static char *explain_words(const struct command_option *option)
{
	_cleanup_free_ char *words = join_words(option->words);

	return memory_format("one or more of %s, separated by commas", words);
}

static const struct {
	int (*set)(const struct command_option *option, void *value, const char *argument);
	char *(*explain)(const struct command_option *option); /* what is possible */
} types[] = {
	[OPTION_FLAG] = {set_flag, NULL},
	[OPTION_TEXT] = {set_text, NULL},
	[OPTION_TEXTS] = {add_text, NULL},
	[OPTION_NUMBER] = {set_number, explain_number},
	[OPTION_DURATION] = {set_duration, explain_duration},
	[OPTION_PERCENT] = {set_percent, explain_percent},
	[OPTION_TIME] = {set_time, explain_time},
	[OPTION_WORD] = {set_word, explain_word},
	[OPTION_WORDS] = {set_words, explain_words},
};

int command_set_option(const struct command_option *option, void *values, const char *argument,
		       char **error)
{
	void *value = (char *)values + option->offset;

	if (types[option->type].set(option, value, argument) == 0)
		return 0;
	_cleanup_free_ char *possible = types[option->type].explain(option);
	*error = memory_format("--%s takes %s, not \"%s\"", option->name, possible, argument);
	return -EINVAL;
}

/* --- help --------------------------------------------------------------------------------- */

void command_print_options(const struct command_option *options, size_t count, FILE *file)
{
	for (size_t i = 0; i < count; i++) {
		const struct command_option *option = &options[i];
		_cleanup_free_ char *name =
			memory_format("--%s%s%s", option->name, option->argument ? " " : "",
				      option->argument ? option->argument : "");
		int width = SUMMARY_COLUMN - 8;

		if (option->letter)
			fprintf(file, "  -%c, ", option->letter);
		else
			fprintf(file, "      ");
		/* A long name takes a line for itself. */
		if ((int)strlen(name) > width)
			fprintf(file, "%s\n%*s%s\n", name, SUMMARY_COLUMN, "", option->summary);
		else
			fprintf(file, "%-*s  %s\n", width, name, option->summary);
	}
}

static size_t list_sets(const struct command *command, struct option_set sets[COMMAND_MAX_SETS])
{
	memset(sets, 0, COMMAND_MAX_SETS * sizeof(*sets));
	return command->list_options ? command->list_options(sets) : 0;
}

static void print_usage(const struct command *command, FILE *file)
{
	fprintf(file, "usage: flamectl%s%s%s%s%s\n", command->name ? " " : "",
		command->name ? command->name : "", command->list_options ? " [OPTION...]" : "",
		*command->operands ? " " : "", command->operands);
}

void command_print_help(const struct command *command, FILE *file)
{
	struct option_set sets[COMMAND_MAX_SETS];
	size_t count = list_sets(command, sets);

	print_usage(command, file);
	fprintf(file, "%s.\n", command->summary);
	if (command->print_operands)
		command->print_operands(file);
	for (size_t i = 0; i < count; i++) {
		fprintf(file, "\n%s:\n", sets[i].title ? sets[i].title : "options");
		if (sets[i].foreign)
			sets[i].foreign->print_help(file);
		else
			command_print_options(sets[i].options, sets[i].count, file);
	}
	if (command->examples)
		fprintf(file, "\nEXAMPLES\n%s", command->examples);
}

_Noreturn void command_misused(const struct command *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vwarnx(format, arguments);
	va_end(arguments);
	print_usage(command, stderr);
	fprintf(stderr, "flamectl%s%s --help tells more\n", command->name ? " " : "",
		command->name ? command->name : "");
	exit(EXIT_USAGE);
}

/* --- parsing ------------------------------------------------------------------------------ */

/* The sets of a command as getopt_long(3) wants them; options are numbered through all sets. */
struct option_list {
	struct option_set sets[COMMAND_MAX_SETS];
	size_t set_count;
	struct option *options;
	char *letters;
};

static size_t count_options(const struct option_set *set)
{
	return set->foreign ? set->foreign->count() : set->count;
}

static void add_own_options(struct option_list *list, const struct option_set *set, size_t first)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct command_option *option = &set->options[i];
		char letter[3] = {option->letter, option->argument ? ':' : 0, 0};

		list->options[first + i] = (struct option){
			option->name, option->argument ? required_argument : no_argument, NULL,
			FIRST_VALUE + (int)(first + i)};
		if (option->letter)
			strcat(list->letters, letter);
	}
}

static void make_list(struct option_list *list, const struct command *command)
{
	size_t count = 0, first = 0;

	list->set_count = list_sets(command, list->sets);
	for (size_t i = 0; i < list->set_count; i++)
		count += count_options(&list->sets[i]);
	list->options = memory_new((count + 2) * sizeof(*list->options));
	list->letters = memory_new(2 * count + 4);
	strcpy(list->letters, command->stops_at_operand ? "+:h" : ":h");
	for (size_t i = 0; i < list->set_count; i++) {
		const struct option_set *set = &list->sets[i];

		if (set->foreign)
			set->foreign->list(&list->options[first], FIRST_VALUE + (int)first);
		else
			add_own_options(list, set, first);
		first += count_options(set);
	}
	list->options[count] = (struct option){"help", no_argument, NULL, HELP_VALUE};
}

/* The number of the option with this letter, through all sets, or -1. */
static int find_letter(const struct option_list *list, int letter)
{
	int first = 0;

	for (size_t i = 0; i < list->set_count; i++) {
		const struct option_set *set = &list->sets[i];

		for (size_t j = 0; !set->foreign && j < set->count; j++)
			if (set->options[j].letter == letter)
				return first + (int)j;
		first += (int)count_options(set);
	}
	return -1;
}

static int set_by_number(const struct option_list *list, size_t number, char **error)
{
	size_t index = number;

	for (size_t i = 0; i < list->set_count; i++) {
		const struct option_set *set = &list->sets[i];
		size_t count = count_options(set);

		if (index >= count) {
			index -= count;
			continue;
		}
		if (!set->foreign)
			return command_set_option(&set->options[index], set->values, optarg, error);
		const char *sentence = NULL;
		int result = set->foreign->set(set->values, index, optarg, &sentence);
		if (result)
			*error = memory_format("--%s: %s", list->options[number].name, sentence);
		return result;
	}
	return 0;
}

/* The option that getopt_long(3) complains about, as it was typed. */
static const char *offending(char **arguments)
{
	return optind > 0 && arguments[optind - 1] ? arguments[optind - 1] : "";
}

int command_parse(const struct command *command, int argument_count, char **arguments)
{
	struct option_list list = {0};
	int value;

	make_list(&list, command);
	optind = 0; /* glibc: start anew, also after the options before the command */
	opterr = 0;
	while ((value = getopt_long(argument_count, arguments, list.letters, list.options, NULL)) !=
	       -1) {
		_cleanup_free_ char *error = NULL;

		if (value == 'h' || value == HELP_VALUE) {
			command_print_help(command, stdout);
			exit(EXIT_DONE);
		}
		if (value == ':')
			command_misused(command, "%s needs an argument", offending(arguments));
		if (value == '?')
			command_misused(command,
					"%s: there is no such option, or it is used wrongly",
					offending(arguments));
		int number = value >= FIRST_VALUE ? value - FIRST_VALUE : find_letter(&list, value);
		if (set_by_number(&list, (size_t)number, &error) < 0)
			command_misused(command, "%s", error);
	}
	free(list.options);
	free(list.letters);
	return optind;
}
