/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cmocka_all.h"

static char program[] = "flamed";

/* What is refused is refused with a line on standard error, which is not to be seen here. */
static int read_quietly(int argc, char **argv, struct options *options)
{
	int saved = dup(STDERR_FILENO);
	int error;

	assert_non_null(freopen("/dev/null", "w", stderr));
	error = options_read(argc, argv, options);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	return error;
}

static void test_defaults_are_those_of_the_manual(void **state)
{
	char *argv[] = {program, NULL};
	struct options options;

	(void)state;
	assert_int_equal(read_quietly(1, argv, &options), 0);
	assert_string_equal(options.socket_path, "/run/flamed/flamed.sock");
	assert_null(options.user);
	assert_string_equal(options.group, "flame");
	assert_int_equal(options.bucket_ns, 1000000000);
	assert_int_equal(options.retention_ns, 600000000000);
	assert_int_equal(options.memory_bytes, 64 << 20);
	assert_int_equal(options.unwind_memory_bytes, 64 << 20);
	assert_true(options.budget_percent > 0.99 && options.budget_percent < 1.01);
	assert_int_equal(options.attach_all + options.verbose + options.allow_unsafe_kernel, 0);
}

static void test_each_option_sets_its_field(void **state)
{
	char *argv[] = {program,
			(char[]){"--socket=/tmp/s"},
			(char[]){"--retention"},
			(char[]){"30m"},
			(char[]){"--bucket=500ms"},
			(char[]){"-m"},
			(char[]){"1G"},
			(char[]){"--budget"},
			(char[]){"0.5"},
			(char[]){"-av"},
			(char[]){"--unwind-memory=32M"},
			(char[]){"--debuginfod-cache=/var/cache/x"},
			NULL};
	struct options options;

	(void)state;
	assert_int_equal(read_quietly(12, argv, &options), 0);
	assert_string_equal(options.socket_path, "/tmp/s");
	assert_int_equal(options.retention_ns, 1800000000000);
	assert_int_equal(options.bucket_ns, 500000000);
	assert_int_equal(options.memory_bytes, 1 << 30);
	assert_int_equal(options.unwind_memory_bytes, 32 << 20);
	assert_true(options.budget_percent > 0.49 && options.budget_percent < 0.51);
	assert_int_equal(options.attach_all, 1);
	assert_int_equal(options.verbose, 1);
	assert_string_equal(options.debuginfod_cache, "/var/cache/x");
}

static void test_servers_of_debug_files_come_from_the_environment(void **state)
{
	static const struct {
		const char *text;
		const char *urls;
	} cases[] = {{NULL, NULL}, {"", NULL}, {"  ", NULL}, {"http://one two", "http://one two"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *argv[] = {program, NULL};
		struct options options;

		unsetenv("DEBUGINFOD_URLS");
		if (cases[i].text)
			setenv("DEBUGINFOD_URLS", cases[i].text, 1);
		assert_int_equal(read_quietly(1, argv, &options), 0);
		if (cases[i].urls)
			assert_string_equal(options.debuginfod_urls, cases[i].urls);
		else
			assert_null(options.debuginfod_urls);
	}
}

static void test_nonsense_is_refused_and_changes_nothing(void **state)
{
	static const char *const cases[] = {
		"--nonsense", "--bucket=0s",     "--bucket=2x",  "--retention=-5m",
		"--memory=1", "--memory=99999T", "--budget=200", "--socket=",
		"argument",   "--retention=8d",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *argument = memory_copy_text(cases[i], strlen(cases[i]));
		char *argv[] = {program, argument, NULL};
		struct options options = {.bucket_ns = 42};

		assert_int_equal(read_quietly(2, argv, &options), -EINVAL);
		assert_int_equal(options.bucket_ns, 42);
		free(argument);
	}
}

static void test_the_help_names_every_option_but_the_hidden(void **state)
{
	char *text = NULL;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	(void)state;
	options_print_help(file);
	fclose(file);
	assert_non_null(strstr(text, "--retention DURATION"));
	assert_non_null(strstr(text, "--unwind-memory SIZE"));
	assert_non_null(strstr(text, "-h, --help"));
	assert_null(strstr(text, "--mapping-table"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_are_those_of_the_manual),
		cmocka_unit_test(test_each_option_sets_its_field),
		cmocka_unit_test(test_servers_of_debug_files_come_from_the_environment),
		cmocka_unit_test(test_nonsense_is_refused_and_changes_nothing),
		cmocka_unit_test(test_the_help_names_every_option_but_the_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
