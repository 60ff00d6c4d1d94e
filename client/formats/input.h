/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anything that flamectl can read: folded text, `perf script` text, a profile in JSON, a picture of
 * ours with its profile inside. Which of them a file is shows in its first bytes.
 */
#ifndef FLAME_CLIENT_FORMATS_INPUT_H
#define FLAME_CLIENT_FORMATS_INPUT_H

#include <stdint.h>

#include "client/formats/perf_script.h"
#include "client/formats/profile_stacks.h"
#include "client/formats/stack_list.h"

struct input_settings {
	struct perf_script_settings perf_script;
	struct stack_levels levels; /* of profiles */
	int one_value;              /* of what has two values the second alone */
	const char *format;         /* a name in the table: the only one tried; NULL: any */
};

/* What there is to say about an input beside its stacks. */
struct input_report {
	const char *format;      /* static text */
	const char *error;       /* a sentence (static text); NULL: none beyond the code */
	uint64_t ignored_lines;  /* lines that have none of the format's forms */
	int is_cut;              /* the text ends inside a sample, which is left out */
	uint32_t silent_modules; /* addr2line did not answer about them */
	int lacks_addr2line;     /* it was wanted and is not there */
	char *shown_event;       /* perf script: where others were left out. Owned (free) */
};

void input_report_fini(struct input_report *report);

/*
 * Add the stacks of the file at path ("-": standard input) to list, as values number which where
 * the file has one value; a file of two values gives both. report is filled on failure too. Errors:
 * -EINVAL (report->error says what), -E2BIG, those of open(2) and read(2).
 */
must_check int input_read(const char *path, const struct input_settings *settings, int which,
			  struct stack_list *list, struct input_report *report);

/*
 * The same as a profile: JSON and pictures give the one that was written, with processes, threads
 * and losses. *profile is Owned (profile_free).
 */
must_check int input_read_profile(const char *path, const struct input_settings *settings,
				  struct profile **profile, struct input_report *report);

#endif
