/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/perf_script.h"

#include <stdlib.h>
#include <string.h>

#include "client/formats/folded.h"
#include "client/formats/perf_script_line.h"
#include "tests/unit/cmocka_all.h"

struct result {
	char *folded;
	uint64_t ignored_lines;
	int has_rejected_event;
	int is_cut;
};

static void result_fini(struct result *result)
{
	free(result->folded);
}

static struct result collapse(const char *text, struct perf_script_settings settings)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(perf_script_reader_fini) struct perf_script_reader reader;
	struct result result = {0};
	size_t size = 0;

	stack_list_init(&list);
	perf_script_reader_init(&reader, &list, &settings);
	assert_int_equal(perf_script_reader_feed(&reader, text, strlen(text)), 0);
	result.is_cut = perf_script_reader_finish(&reader);
	result.ignored_lines = reader.ignored_lines;
	result.has_rejected_event = reader.has_rejected_event;
	FILE *file = open_memstream(&result.folded, &size);
	assert_int_equal(folded_write(&list, 0, file), 0);
	fclose(file);
	return result;
}

static const struct {
	const char *what;
	const char *text;
	const char *expected;
	struct perf_script_settings settings;
} cases[] = {
	{"a symbol with an offset",
	 "a 1 2.0: 5 cycles: \n\t1 f+0x2 (/bin/a)\n\t2 main (/bin/a)\n\n",
	 "a;main;f 5\n",
	 {0}},
	{"a name with spaces",
	 "Web Content 12/34 [000] 1.0: 1 cycles:\n 1 f (/x)\n\n",
	 "Web_Content;f 1\n",
	 {0}},
	{"a name that ends in a number",
	 "worker 1 12/34 [000] 1.0: 1 cycles:\n 1 f (/x)\n\n",
	 "worker;f 1\n",
	 {0}},
	{"no period", "a 1 1.0: cycles: \n 1 f (/x)\n\n", "a;f 1\n", {0}},
	{"no pid and no time", "a cycles: \n 1 f (/x)\n\n", "a;f 1\n", {0}},
	{"the payload of a tracepoint",
	 "a 1 [000] 1.0: sched:sched_switch: prev_comm=a prev_pid=1 ==> next_comm=b\n 1 f (/x)\n\n",
	 "a;f 1\n",
	 {0}},
	{"a sample without a stack", "a 1 1.0: 7 cycles: \n\n", "a 7\n", {0}},
	{"an event that is not the first",
	 "a 1 1.0: 2 cycles: \n 1 f (/x)\n\na 1 1.0: 3 faults: \n 1 g (/x)\n\n",
	 "a;f 2\n",
	 {0}},
	{"an event that is asked for",
	 "a 1 1.0: 2 cycles: \n 1 f (/x)\n\na 1 1.0: 3 faults: \n 1 g (/x)\n\n",
	 "a;g 3\n",
	 {.event_filter = "faults"}},
	{"inlined functions",
	 "a 1 1.0: 1 cycles:\n 1 Outer::f->Inner::g->h (/tmp/perf-1.map)\n\n",
	 "a;Outer::f;Inner::g_[i];h_[i] 1\n",
	 {0}},
	{"arguments", "a 1 1.0: 1 cycles:\n 1 f(int, char) const (/x)\n\n", "a;f 1\n", {0}},
	{"an anonymous namespace",
	 "a 1 1.0: 1 cycles:\n 1 (anonymous namespace)::f(int) (/x)\n\n",
	 "a 1\n",
	 {0}},
	{"an anonymous namespace inside",
	 "a 1 1.0: 1 cycles:\n 1 n::(anonymous namespace)::f(int) (/x)\n\n",
	 "a;n::(anonymous namespace)::f 1\n",
	 {0}},
	{"a method of Go",
	 "a 1 1.0: 1 cycles:\n 1 net/http.(*Client).Do (/x)\n\n",
	 "a;net/http.(*Client).Do 1\n",
	 {0}},
	{"a name that is not known",
	 "a 1 1.0: 1 cycles:\n 1f [unknown] (/usr/lib/libx.so.1)\n\n",
	 "a;[libx.so.1] 1\n",
	 {0}},
	{"the address of one",
	 "a 1 1.0: 1 cycles:\n 1f [unknown] (/usr/lib/libx.so.1)\n\n",
	 "a;[libx.so.1 <1f>] 1\n",
	 {.addresses = 1}},
	{"a file that was deleted",
	 "a 1 1.0: 1 cycles:\n 1f g (/usr/lib/libx.so (deleted))\n\n",
	 "a;g 1\n",
	 {0}},
	{"a module with spaces",
	 "a 1 1.0: 1 cycles:\n 1f g (/opt/My App/bin (x86)/app)\n\n",
	 "a;g 1\n",
	 {0}},
	{"lines of source that are not asked for",
	 "a 1 1.0: 1 cycles:\n 1 f (/x)\n  f.c:12\n 2 main (/x)\n  f.c:20\n\n",
	 "a;main;f 1\n",
	 {0}},
	{"lines of source",
	 "a 1 1.0: 1 cycles:\n 1 f (/x)\n  f.c:12\n 2 main (/x)\n  f.c:20\n\n",
	 "a;main:f.c:20;f:f.c:12 1\n",
	 {.srcline = 1}},
	{"ends of lines of another system",
	 "a 1 1.0: 1 cycles:\r\n 1 f (/x)\r\n\r\n",
	 "a;f 1\n",
	 {0}},
	{"Java's name for a class",
	 "java 1 1.0: 1 cycles:\n 1 Ljava/io/X;::write (/tmp/perf-1.map)\n\n",
	 "java;java/io/X:::write_[j] 1\n",
	 {.annotate_jit = 1}},
	{"the same outside of Java",
	 "ruby 1 1.0: 1 cycles:\n 1 Ljava/io/X;::write (/tmp/perf-1.map)\n\n",
	 "ruby;Ljava/io/X:::write 1\n",
	 {0}},
};

static void test_samples_become_stacks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(result_fini) struct result result =
			collapse(cases[i].text, cases[i].settings);

		if (strcmp(result.folded, cases[i].expected) != 0)
			fail_msg("%s: %s instead of %s", cases[i].what, result.folded,
				 cases[i].expected);
		assert_int_equal(result.ignored_lines, 0);
		assert_false(result.is_cut);
	}
}

/* Lines that come again in every sample, and a pc that never does: of two programs, one of them Java. */
static void test_lines_that_come_again_mean_the_same(void **state)
{
	static const char *const programs[] = {"java", "ruby"};
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	for (uint32_t i = 0; i < 80000; i++)
		fprintf(file,
			"%s 1/%u 1.0: 1 cycles:\n\t%16x Ljava/io/X;::write+0x%x (/tmp/perf-1.map)\n"
			"\t    55d0c0dc7c10 La/b::main+0x0 (/usr/bin/server)\n\n",
			programs[i % 2], i, 0x10000 + i, i);
	fclose(file);
	_cleanup_(result_fini) struct result result = collapse(text, cases[0].settings);
	assert_string_equal(result.folded, "java;a/b::main;java/io/X:::write 40000\n"
					   "ruby;La/b::main;Ljava/io/X:::write 40000\n");
}

static void test_a_sample_that_is_cut_off_is_left_out(void **state)
{
	_cleanup_(result_fini) struct result result =
		collapse("a 1 1.0: 1 cycles:\n 1 f (/x)\n\na 1 1.0: 1 cycles:\n 1 g (/x)\n",
			 cases[0].settings);

	(void)state;
	assert_string_equal(result.folded, "a;f 1\n");
	assert_true(result.is_cut);
}

static void test_lines_of_no_form_are_counted(void **state)
{
	_cleanup_(result_fini) struct result result =
		collapse("a 1 1.0: 1 cycles:\n 1 f (/x)\n what is this\n\n", cases[0].settings);

	(void)state;
	assert_string_equal(result.folded, "a;f 1\n");
	assert_int_equal(result.ignored_lines, 1);
}

static void test_the_text_is_recognised(void **state)
{
	static const char *const others[] = {"",   "a;b 12\n", "a b 12\nc 3\n",
					     "{}", "\n\n",     "# a comment\nmain;f 3\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(perf_script_matches(cases[i].text, strlen(cases[i].text)));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(perf_script_matches(others[i], strlen(others[i])));
}

static void test_pieces_of_a_text_are_no_danger(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t length = 0; length < strlen(cases[i].text); length++) {
			_cleanup_free_ char *part = memory_copy_text(cases[i].text, length);
			_cleanup_(result_fini) struct result result =
				collapse(part, cases[i].settings);

			assert_non_null(result.folded);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples_become_stacks),
		cmocka_unit_test(test_lines_that_come_again_mean_the_same),
		cmocka_unit_test(test_a_sample_that_is_cut_off_is_left_out),
		cmocka_unit_test(test_lines_of_no_form_are_counted),
		cmocka_unit_test(test_the_text_is_recognised),
		cmocka_unit_test(test_pieces_of_a_text_are_no_danger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
