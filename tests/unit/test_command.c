/* SPDX-License-Identifier: Apache-2.0 */
#include "client/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/command_table.h"
#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

static const char *const words[] = {"cpu", "offcpu", "heap", NULL};

static struct values {
	int flag;
	const char *text;
	struct option_texts texts;
	uint64_t number;
	uint64_t duration_ns;
	double percent;
	int64_t time_ns;
	int word;
	unsigned int list;
} values;

#define FIELD(name) offsetof(struct values, name)

static const struct command_option options[] = {
	COMMAND_OPTION("flag", 'x', NULL, OPTION_FLAG, FIELD(flag), "a flag"),
	COMMAND_OPTION("text", 0, "TEXT", OPTION_TEXT, FIELD(text), "a text"),
	COMMAND_OPTION("texts", 0, "TEXT", OPTION_TEXTS, FIELD(texts), "texts"),
	COMMAND_OPTION("number", 'n', "N", OPTION_NUMBER, FIELD(number), "a number", .minimum = 1,
		       .maximum = 4999),
	COMMAND_OPTION("duration", 0, "D", OPTION_DURATION, FIELD(duration_ns), "a duration",
		       .minimum = 1000000, .maximum = UINT64_C(60000000000)),
	COMMAND_OPTION("percent", 0, "P", OPTION_PERCENT, FIELD(percent), "a percentage"),
	COMMAND_OPTION("time", 0, "T", OPTION_TIME, FIELD(time_ns), "a time"),
	COMMAND_OPTION("word", 0, "W", OPTION_WORD, FIELD(word), "a word", .words = words),
	COMMAND_OPTION("list", 0, "L", OPTION_WORDS, FIELD(list), "words", .words = words),
};

static const struct command_option *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	fail();
	return NULL;
}

static void set(const char *name, const char *argument)
{
	char *error = NULL;

	assert_int_equal(command_set_option(find(name), &values, argument, &error), 0);
	assert_null(error);
}

static void test_values_are_written_where_the_table_says(void **state)
{
	(void)state;
	memset(&values, 0, sizeof(values));
	set("flag", NULL);
	set("text", "word");
	set("texts", "a");
	set("texts", "b");
	set("number", "4999");
	set("duration", "1m");
	set("percent", "0.5%");
	set("time", "@1700000000");
	set("word", "heap");
	set("list", "cpu,heap");
	assert_int_equal(values.flag, 1);
	assert_string_equal(values.text, "word");
	assert_int_equal(values.texts.count, 2);
	assert_string_equal(values.texts.texts[1], "b");
	assert_int_equal(values.number, 4999);
	assert_int_equal(values.duration_ns, UINT64_C(60000000000));
	assert_true(values.percent > 0.49 && values.percent < 0.51);
	assert_int_equal(values.time_ns, INT64_C(1700000000000000000));
	assert_int_equal(values.word, 2);
	assert_int_equal(values.list, 5);
	free(values.texts.texts);
}

static void test_what_is_no_value_is_told_with_what_would_be(void **state)
{
	static const struct {
		const char *name;
		const char *argument;
		const char *error;
	} cases[] = {
		{"number", "0", "--number takes a number from 1 to 4999, not \"0\""},
		{"number", "5000", "--number takes a number from 1 to 4999, not \"5000\""},
		{"number", "1x", "--number takes a number from 1 to 4999, not \"1x\""},
		{"duration", "2m",
		 "--duration takes a duration like 500ms, 30s, 5m or 2h, from 0.001 s to 60 s, "
		 "not \"2m\""},
		{"percent", "101",
		 "--percent takes a share from 0 to 100, like 1 or 0.5%, not \"101\""},
		{"word", "CPU", "--word takes cpu, offcpu or heap, not \"CPU\""},
		{"list", "cpu,",
		 "--list takes one or more of cpu, offcpu or heap, separated by commas, not "
		 "\"cpu,\""},
		{"list", "",
		 "--list takes one or more of cpu, offcpu or heap, separated by commas, "
		 "not \"\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;

		memset(&values, 0, sizeof(values));
		assert_int_equal(
			command_set_option(find(cases[i].name), &values, cases[i].argument, &error),
			-EINVAL);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(values.number, 0);
	}
}

static size_t list_options(struct option_set sets[COMMAND_MAX_SETS])
{
	sets[0] = (struct option_set){
		.options = options, .count = ARRAY_SIZE(options), .values = &values};
	return 1;
}

static void test_operands_may_stand_before_options(void **state)
{
	static const struct command command = {
		.name = "try", .operands = "", .summary = "", .list_options = list_options};
	char name[] = "try", operand[] = "1234", option[] = "-n", number[] = "7",
	     attached[] = "--word=offcpu", end[] = "--", behind[] = "-x";
	char *arguments[] = {name, operand, option, number, attached, end, behind, NULL};

	(void)state;
	memset(&values, 0, sizeof(values));
	int first = command_parse(&command, 7, arguments);
	assert_int_equal(first, 5);
	assert_string_equal(arguments[5], "1234");
	assert_string_equal(arguments[6], "-x");
	assert_int_equal(values.number, 7);
	assert_int_equal(values.word, 1);
	assert_int_equal(values.flag, 0);
}

static void test_help_fits_a_terminal(void **state)
{
	(void)state;
	for (size_t i = 0; command_table_get(i); i++) {
		_cleanup_free_ char *text = NULL;
		size_t length;
		FILE *file = open_memstream(&text, &length);

		command_print_help(command_table_get(i), file);
		fclose(file);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			assert_in_range(strlen(line), 0, 88);
	}
}

static void test_commands_are_found_by_what_is_unambiguous(void **state)
{
	static const struct {
		const char *text;
		const struct command *command;
	} cases[] = {
		{"attach", &attach_command},
		{"a", &attach_command},
		{"sta", NULL},
		{"star", &start_command},
		{"start", &start_command},
		{"stat", &status_command},
		{"", NULL},
		{"attachx", NULL},
		{"l", NULL},
		{"li", &list_command},
		{"le", &leaks_command},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *error = NULL;

		assert_ptr_equal(command_table_find(cases[i].text, &error), cases[i].command);
		assert_int_equal(error == NULL, cases[i].command != NULL);
	}
}

static void test_what_would_be_possible_is_told(void **state)
{
	char *error = NULL;

	(void)state;
	assert_null(command_table_find("sta", &error));
	assert_string_equal(error, "\"sta\" may mean start, status");
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_written_where_the_table_says),
		cmocka_unit_test(test_what_is_no_value_is_told_with_what_would_be),
		cmocka_unit_test(test_operands_may_stand_before_options),
		cmocka_unit_test(test_help_fits_a_terminal),
		cmocka_unit_test(test_commands_are_found_by_what_is_unambiguous),
		cmocka_unit_test(test_what_would_be_possible_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
