/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/formats/folded.h"
#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

static void read_list(struct stack_list *list, const char *folded)
{
	_cleanup_(folded_reader_fini) struct folded_reader reader;

	stack_list_init(list);
	folded_reader_init(&reader, list);
	assert_int_equal(folded_reader_feed(&reader, folded, strlen(folded)), 0);
}

static int compare_frames(const void *left, const void *right)
{
	const struct layout_frame *a = left, *b = right;

	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return (a->start > b->start) - (a->start < b->start);
}

/* The frames of folded text, row by row: "name@start+width". Owned (free). */
static char *lay_out(const char *folded, const struct layout_settings *settings)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(layout_fini) struct layout layout;
	char *text = NULL;
	size_t size;

	read_list(&list, folded);
	layout_init(&layout, &list, settings);
	FILE *file = open_memstream(&text, &size);
	assert_int_equal(layout.frames[0].frame, LAYOUT_ROOT);
	for (uint32_t i = 1; i < layout.count; i++) {
		const struct layout_frame *parent = &layout.frames[layout.frames[i].parent];

		assert_true(layout.frames[i].parent < i);
		assert_int_equal(parent->depth + 1, layout.frames[i].depth);
		assert_true(layout.frames[i].start >= parent->start);
		assert_true(layout.frames[i].start + layout.frames[i].width <=
			    parent->start + parent->width + 1e-9);
		assert_true(layout.frames[i].depth <= layout.max_depth);
	}
	qsort(layout.frames + 1, layout.count - 1, sizeof(*layout.frames), compare_frames);
	for (uint32_t i = 1; i < layout.count; i++)
		fprintf(file, "%s%s@%g+%g", i == 1 ? "" : " ",
			stack_list_name(&list, layout.frames[i].frame), layout.frames[i].start,
			layout.frames[i].width);
	if (layout.hidden)
		fprintf(file, " hidden %u", layout.hidden);
	fclose(file);
	return text;
}

static void test_stacks_become_frames(void **state)
{
	static const struct {
		const char *folded;
		struct layout_settings settings;
		const char *wanted;
	} cases[] = {
		{"a 5\n", {0}, "a@0+5"},
		{"b;x 2\na;y 3\n", {0}, "a@0+3 b@3+2 y@0+3 x@3+2"},
		/* What is alike side by side is one frame, whatever the order of the lines. */
		{"a;x 1\nb 1\na;y 1\na;x 1\n", {0}, "a@0+3 b@3+1 x@0+2 y@2+1"},
		/* A stack that ends in a frame leaves room above it. */
		{"a 4\na;b 2\n", {0}, "a@0+6 b@4+2"},
		/* The same name above itself, and beside itself with another parent. */
		{"f;f;f 1\ng;f 1\n", {0}, "f@0+1 g@1+1 f@0+1 f@1+1 f@0+1"},
		/* In a chart what lies apart in time stays apart. */
		{"a 1\nb 1\na 1\n", {.keep_order = 1}, "a@0+1 b@1+1 a@2+1"},
		{"a;x 1\na;y 1\na;x 1\n", {.keep_order = 1}, "a@0+3 x@0+1 y@1+1 x@2+1"},
		/* What is narrow is left out, and what is above it. */
		{"a 10\nb;c 1\n", {.minimum = 2}, "a@0+10 hidden 1"},
		/* With two values: as wide as asked for. */
		{"a 2 6\nb 4 2\n", {.width_by = WIDTH_BY_AFTER}, "a@0+6 b@6+2"},
		{"a 2 6\nb 4 2\n", {.width_by = WIDTH_BY_BEFORE}, "a@0+2 b@2+4"},
		{"a 2 6\nb 4 2\n", {.width_by = WIDTH_BY_LARGER}, "a@0+6 b@6+4"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *found = lay_out(cases[i].folded, &cases[i].settings);

		assert_string_equal(found, cases[i].wanted);
	}
}

static void test_values_are_summed_up_by_frame(void **state)
{
	const struct layout_settings settings = {.width_by = WIDTH_BY_AFTER};
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(layout_fini) struct layout layout;

	(void)state;
	read_list(&list, "a 1 2\na;b 3 7\n");
	layout_init(&layout, &list, &settings);
	assert_int_equal(layout.count, 3);
	assert_float_equal(layout.total, 9, 0);
	assert_float_equal(layout.frames[1].totals[STACK_BEFORE], 4, 0);
	assert_float_equal(layout.frames[1].totals[STACK_AFTER], 9, 0);
	assert_float_equal(layout.frames[1].selves[STACK_BEFORE], 1, 0);
	assert_float_equal(layout.frames[1].selves[STACK_AFTER], 2, 0);
	assert_float_equal(layout.frames[2].selves[STACK_AFTER], 7, 0);
	/* The largest change of a stack, for the colours. */
	assert_float_equal(layout.delta_limit, 4, 0);
}

static void test_each_stack_knows_its_highest_frame_that_is_drawn(void **state)
{
	const struct layout_settings settings = {.minimum = 2};
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(layout_fini) struct layout layout;

	(void)state;
	read_list(&list, "a;b 10\na;c;d 1\ne 1\n");
	layout_init(&layout, &list, &settings);
	assert_int_equal(layout.count, 3);
	const uint32_t wanted_depths[] = {2, 1, 0};
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(layout.frames[layout.stack_frames[i]].depth, wanted_depths[i]);
}

static void test_nothing_is_a_root_alone(void **state)
{
	const struct layout_settings settings = {0};
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(layout_fini) struct layout layout;

	(void)state;
	stack_list_init(&list);
	layout_init(&layout, &list, &settings);
	assert_int_equal(layout.count, 1);
	assert_float_equal(layout.total, 0, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_become_frames),
		cmocka_unit_test(test_values_are_summed_up_by_frame),
		cmocka_unit_test(test_each_stack_knows_its_highest_frame_that_is_drawn),
		cmocka_unit_test(test_nothing_is_a_root_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
