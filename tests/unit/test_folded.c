/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/folded.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/cmocka_all.h"

/* Read text and write it again; the result is Owned (free). */
static char *round_trip(const char *text, unsigned int flags, uint64_t *ignored_lines)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(folded_reader_fini) struct folded_reader reader;
	char *written = NULL;
	size_t size = 0;

	stack_list_init(&list);
	folded_reader_init(&reader, &list);
	assert_int_equal(folded_reader_feed(&reader, text, strlen(text)), 0);
	if (ignored_lines)
		*ignored_lines = reader.ignored_lines;
	FILE *file = open_memstream(&written, &size);
	assert_int_equal(folded_write(&list, flags, file), 0);
	fclose(file);
	return written;
}

static void test_lines_are_read_sorted_merged_and_written(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} cases[] = {
		{"", ""},
		{"a;b 1\n", "a;b 1\n"},
		{"a;b 1", "a;b 1\n"},
		{"a;b 1\r\n", "a;b 1\n"},
		{"b 1\na 2\nb 3\n", "a 2\nb 4\n"},
		{"a;b;c 1\na;b;d 2\na;b 3\na;bc 4\n", "a;b 3\na;b;c 1\na;b;d 2\na;bc 4\n"},
		/* As sort(1) with LC_ALL=C sees it: ' ' < '(' < ';' < '_' */
		{"f_;x 1\nf;x 2\nf(int);x 3\nf 4\n", "f 4\nf(int);x 3\nf;x 2\nf_;x 1\n"},
		{"name with spaces;x y 7\n", "name with spaces;x y 7\n"},
		{"a;b; 3\n", "a;b 3\n"},
		{"a;;b 3\n", "a;;b 3\n"},
		{"a 1.4\na 1.4\n", "a 2.8\n"},
		{"a 0.1\na 0.2\nb 0.25 3\nc 1.\n", "a 0.3 0.3\nb 0.25 3\nc 1 1\n"},
		{"a 0.0000001\nb 2\n", "b 2\n"},
		{"a;b 10 20\na;c 5 0\n", "a;b 10 20\na;c 5 0\n"},
		{"a 0\nb 1\n", "b 1\n"},
		{" 5\n", " 5\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *written = round_trip(cases[i].text, 0, NULL);

		assert_string_equal(written, cases[i].expected);
	}
}

static void test_what_is_no_stack_is_counted(void **state)
{
	uint64_t ignored_lines = 0;
	_cleanup_free_ char *written = round_trip(
		"a 1\nno number\n12\nb -1\nc 1e5\nd 1.2.3\n\n# comment\ne .5\n", 0, &ignored_lines);

	(void)state;
	assert_string_equal(written, "a 1\n");
	assert_int_equal(ignored_lines, 7);
}

static void test_frames_of_a_shared_prefix_are_the_same(void **state)
{
	_cleanup_free_ char *written = round_trip(
		"aa;bb;cc 1\naa;bb;c 1\naa;bb;cc;dd 1\naa;b 1\naa 1\na 1\nab 1\n", 0, NULL);

	(void)state;
	assert_string_equal(written,
			    "a 1\naa 1\naa;b 1\naa;bb;c 1\naa;bb;cc 1\naa;bb;cc;dd 1\nab 1\n");
}

static void test_names_cannot_break_a_line(void **state)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	char *written = NULL;
	size_t size = 0;

	(void)state;
	stack_list_init(&list);
	uint32_t frames[] = {stack_list_frame(&list, "[u8; 4]\n", 8),
			     stack_list_frame(&list, "x\033[2J", 5)};
	assert_int_equal(stack_list_add(&list, frames, 2, 1, 0), 0);
	list.profile->frames[frames[1]].kind = FRAME_KERNEL;
	FILE *file = open_memstream(&written, &size);
	assert_int_equal(folded_write(&list, FOLDED_ANNOTATE, file), 0);
	fclose(file);
	assert_string_equal(written, "[u8: 4]_;x_[2J_[k] 1\n");
	free(written);
}

static void test_frames_behind_the_separator_are_marked_as_a_wakers(void **state)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	struct folded_reader reader;
	static const char text[] = "a;wait_[k];--;wake_[k];b;a 3\na;b 1\n";
	static const char wanted[] = "a;b 1\na;wait_[k];--;wake_[k];b_[w];a_[w] 3\n";
	char *written = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&written, &length);

	(void)state;
	stack_list_init(&list);
	folded_reader_init(&reader, &list);
	assert_int_equal(folded_reader_feed(&reader, text, strlen(text)), 0);
	folded_reader_fini(&reader);
	assert_int_equal(folded_write(&list, FOLDED_ANNOTATE, file), 0);
	fclose(file);
	assert_string_equal(written, wanted);
	free(written);
}

static void test_kinds_are_read_from_names(void **state)
{
	static const struct {
		const char *name;
		enum frame_kind kind;
	} cases[] = {
		{"f", FRAME_USER},           {"f_[k]", FRAME_KERNEL},      {"f_[j]", FRAME_JIT},
		{"f_[i]", FRAME_INLINED},    {"[unknown]", FRAME_UNKNOWN}, {"[lost]", FRAME_MARKED},
		{"l.so+0x1", FRAME_UNKNOWN}, {"operator+", FRAME_USER},    {"_[x]", FRAME_USER},
	};
	_cleanup_(stack_list_fini) struct stack_list list;

	(void)state;
	stack_list_init(&list);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t frame = stack_list_frame(&list, cases[i].name, strlen(cases[i].name));

		assert_int_equal(list.profile->frames[frame].kind, cases[i].kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_read_sorted_merged_and_written),
		cmocka_unit_test(test_what_is_no_stack_is_counted),
		cmocka_unit_test(test_frames_of_a_shared_prefix_are_the_same),
		cmocka_unit_test(test_names_cannot_break_a_line),
		cmocka_unit_test(test_frames_behind_the_separator_are_marked_as_a_wakers),
		cmocka_unit_test(test_kinds_are_read_from_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
