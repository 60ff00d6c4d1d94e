/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `perf script` texts collapse to what stackcollapse-perf.pl makes of them, for every text and
 * option of the reference data: NAME.txt and NAME.OPTION.folded.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/folded.h"
#include "client/formats/input.h"
#include "tests/unit/cmocka_all.h"

static char data_folder[2048];

static const struct {
	const char *name;
	struct perf_script_settings settings;
} cases[] = {
	{"default", {0}},
	{"pid", {.pid = 1}},
	{"tid", {.tid = 1}},
	{"kernel", {.annotate_kernel = 1}},
	{"jit", {.annotate_jit = 1}},
	{"all", {.annotate_kernel = 1, .annotate_jit = 1}},
	{"addrs", {.addresses = 1}},
};

/* Owned (free). */
static char *read_file(const char *path)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t capacity = 0;

	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	if (getdelim(&text, &capacity, -1, file) < 0)
		fail_msg("%s is empty", path);
	return text;
}

/* Owned (free). */
static char *collapse(const char *path, const struct perf_script_settings *perf_script)
{
	struct input_settings settings = {.perf_script = *perf_script};
	_cleanup_(input_report_fini) struct input_report report;
	_cleanup_(stack_list_fini) struct stack_list list;
	char *written = NULL;
	size_t size = 0;

	stack_list_init(&list);
	assert_int_equal(input_read(path, &settings, STACK_BEFORE, &list, &report), 0);
	assert_string_equal(report.format, "perf-script");
	assert_int_equal(report.ignored_lines, 0);
	FILE *file = open_memstream(&written, &size);
	assert_int_equal(folded_write(&list, 0, file), 0);
	fclose(file);
	return written;
}

static size_t check_text(const char *path)
{
	size_t wrong = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char expected_path[4096];

		snprintf(expected_path, sizeof(expected_path), "%.*s.%s.folded",
			 (int)strlen(path) - 4, path, cases[i].name);
		_cleanup_free_ char *expected = read_file(expected_path);
		_cleanup_free_ char *written = collapse(path, &cases[i].settings);
		if (strcmp(expected, written) == 0)
			continue;
		size_t at = 0;
		while (expected[at] && expected[at] == written[at])
			at++;
		fprintf(stderr, "%s differs at byte %zu:\n%.80s\n%.80s\n", expected_path, at,
			expected + at, written + at);
		wrong++;
	}
	return wrong;
}

static void test_stacks_are_those_of_stackcollapse_perf(void **state)
{
	char pattern[4096];
	size_t wrong = 0;
	glob_t found;

	(void)state;
	snprintf(pattern, sizeof(pattern), "%s/*.txt", data_folder);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		wrong += check_text(found.gl_pathv[i]);
	globfree(&found);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_are_those_of_stackcollapse_perf),
	};

	const char *shared_data = getenv("FLAME_SHARED_DATA");
	snprintf(data_folder, sizeof(data_folder), "%s/perf-script",
		 shared_data ? shared_data : "../shared/data");
	if (access(data_folder, R_OK)) {
		printf("the reference data (shared/data) is absent\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
