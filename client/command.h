/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of flamectl as data. A command is a name, what it takes and a function; its options
 * are tables whose rows say where their value goes, so that parsing, --help and the manual page
 * come from one place. Tables are constant; the values they write to belong to the command.
 */
#ifndef FLAME_CLIENT_COMMAND_H
#define FLAME_CLIENT_COMMAND_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/memory.h"

/* Exit codes. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1, /* the request failed; a line on stderr says what and what to do */
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
};

struct client;
struct command;

/* What an option writes to the address of its value. */
enum option_type {
	OPTION_FLAG,     /* int: 1 */
	OPTION_TEXT,     /* const char *, borrowed from the command line */
	OPTION_TEXTS,    /* struct option_texts; may be given more than once */
	OPTION_NUMBER,   /* uint64_t in [minimum, maximum] */
	OPTION_DURATION, /* uint64_t, ns, in [minimum, maximum] */
	OPTION_PERCENT,  /* double in [0, 100] */
	OPTION_TIME,     /* int64_t, ns since the epoch */
	OPTION_WORD,     /* int: index of one of words */
	OPTION_WORDS,    /* unsigned int: a bit for each of words that is in the list "a,b" */
};

/* The arguments of an option that may be given more than once, borrowed from the command line. */
struct option_texts {
	const char **texts;
	size_t count;
	size_t capacity;
};

struct command_option {
	const char *name;     /* long: "last" */
	char letter;          /* short, or 0 */
	const char *argument; /* what --help calls it: "DURATION"; NULL: none */
	enum option_type type;
	size_t offset; /* of the value in the struct that the set is for */
	const char *summary;
	uint64_t minimum;
	uint64_t maximum;
	const char *const *words; /* up to NULL */
};

/* A row of a table of options; behind the summary .minimum, .maximum or .words as the type wants. */
#define COMMAND_OPTION(long_name, short_letter, argument_name, value_type, value_offset, ...) \
	{                                                                                     \
		.name = (long_name), .letter = (short_letter), .argument = (argument_name),   \
		.type = (value_type), .offset = (value_offset), .summary = __VA_ARGS__        \
	}

/* Options that another module parses by itself: those of pictures. */
struct foreign_options {
	size_t (*count)(void);
	void (*list)(struct option *list, int first_value);
	int (*set)(void *values, size_t index, const char *argument, const char **error);
	void (*print_help)(FILE *file);
};

/* Options that belong together, and the struct that takes their values. */
struct option_set {
	const char *title; /* above them in --help; NULL: the command's own */
	const struct command_option *options;
	size_t count;
	const struct foreign_options *foreign; /* instead of options */
	void *values;
};

#define COMMAND_MAX_SETS 4

struct command {
	const char *name;     /* NULL: flamectl itself, before the command */
	const char *operands; /* in the usage line: "[TARGET...]" */
	const char *summary;  /* one line without full stop */
	const char *examples; /* lines of "flamectl ..." */

	/* Explain the operands in --help; may be NULL. */
	void (*print_operands)(FILE *file);

	/*
	 * Fill sets with the options, bound to the command's values; returns how many. Also called
	 * to print --help. NULL: the command has no options.
	 */
	size_t (*list_options)(struct option_set sets[COMMAND_MAX_SETS]);

	/* What it prints is for programs: no heading with the name of the host. */
	int prints_data;

	/* It asks no daemon, so that --host makes no sense. */
	int is_local;

	/* Operands end the options: what comes behind them belongs to another program. */
	int stops_at_operand;

	/* Returns an exit code; operands are those left on the command line. */
	int (*run)(struct client *client, int operand_count, char **operands);
};

/*
 * Parse the options of a command, whose name is arguments[0], into the values of its sets. Prints
 * --help and exits, or tells what is wrong, prints the usage and exits with EXIT_USAGE. Returns
 * the number of the first operand.
 */
int command_parse(const struct command *command, int argument_count, char **arguments);

/* Tell what is wrong and how the command is used, and exit with EXIT_USAGE. */
_Noreturn void command_misused(const struct command *command, const char *format, ...)
	format_printf(2, 3);

/* Print the usage line, the options and the examples. */
void command_print_help(const struct command *command, FILE *file);

/*
 * Set one value from its text, as the type of the option says. *error becomes a sentence on
 * failure, Owned (free). Errors: -EINVAL.
 */
must_check int command_set_option(const struct command_option *option, void *values,
				  const char *argument, char **error);

/* Print a table of options, as --help does. */
void command_print_options(const struct command_option *options, size_t count, FILE *file);

#endif
