/* SPDX-License-Identifier: Apache-2.0 */
#include "client/reading.h"

#include <err.h>
#include <string.h>
#include <unistd.h>

#include "client/command.h"
#include "common/profile.h"

static const char *shown_name(const char *path)
{
	return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* What has to be said about a file; returns for what can be gone on with. */
static void tell(const char *path, int error, const struct input_report *report)
{
	const char *name = shown_name(path);

	if (error)
		errx(EXIT_FAILED, "%s: %s", name, report->error ? report->error : strerror(-error));
	if (report->ignored_lines)
		warnx("%s: %llu %s not of the form of %s text and left out", name,
		      (unsigned long long)report->ignored_lines,
		      report->ignored_lines == 1 ? "line is" : "lines are", report->format);
	if (report->is_cut)
		warnx("%s: it ends inside a sample, which is left out", name);
	if (report->lacks_addr2line)
		warnx("there is no addr2line (binutils): inlined functions are not shown");
	if (report->silent_modules)
		warnx("addr2line was silent for too long about %u %s: inlined functions of %s are "
		      "not shown",
		      report->silent_modules, report->silent_modules == 1 ? "module" : "modules",
		      report->silent_modules == 1 ? "it" : "them");
	if (report->shown_event)
		warnx("%s: it holds several events, only %s is shown (collapse --event-filter "
		      "takes another)",
		      name, report->shown_event);
}

void reading_add(const char *path, const struct input_settings *settings, int which,
		 struct stack_list *list)
{
	_cleanup_(input_report_fini) struct input_report report;
	int error = input_read(path, settings, which, list, &report);

	tell(path, error, &report);
}

static _Noreturn void exit_empty(void)
{
	errx(EXIT_FAILED, "there is no stack with a count in what was read; folded text has lines "
			  "like \"main;work 12\"");
}

void reading_check(const struct stack_list *list)
{
	if (stack_list_total(list, STACK_BEFORE) + stack_list_total(list, STACK_AFTER) <= 0)
		exit_empty();
}

int reading_is_file(const char *operand)
{
	/* A pid, comm:GLOB, cgroup:PATH and all are targets even where a file is called so. */
	int is_target = strcmp(operand, "all") == 0 || strncmp(operand, "comm:", 5) == 0 ||
			strncmp(operand, "cgroup:", 7) == 0 ||
			strspn(operand, "0123456789") == strlen(operand);

	return !is_target && access(operand, F_OK) == 0;
}

struct profile *reading_profile(const char *path)
{
	_cleanup_(input_report_fini) struct input_report report;
	const struct input_settings settings = {0};
	struct profile *profile;
	int error = input_read_profile(path, &settings, &profile, &report);

	tell(path, error, &report);
	double count = 0;
	for (uint32_t i = 0; i < profile->row_count; i++)
		count += profile->rows[i].count;
	if (count <= 0)
		exit_empty();
	return profile;
}
