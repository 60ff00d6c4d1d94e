/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg_frames.h"

#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/picture.h"
#include "client/formats/folded.h"
#include "common/cleanup.h"
#include "tests/unit/cmocka_all.h"

/* The frames of folded text as SVG, with so wide an image. Owned (free). */
static char *draw(const char *folded, double width, const char *colors)
{
	struct flamegraph_options options;
	_cleanup_(stack_list_fini) struct stack_list list;
	_cleanup_(folded_reader_fini) struct folded_reader reader;
	_cleanup_(picture_fini) struct picture picture;
	char *text = NULL;
	size_t size;

	flamegraph_options_init(&options);
	options.width = width;
	options.colors = colors;
	options.min_width = 0;
	stack_list_init(&list);
	folded_reader_init(&reader, &list);
	assert_int_equal(folded_reader_feed(&reader, folded, strlen(folded)), 0);
	assert_int_equal(picture_init(&picture, &list, &options), 0);
	FILE *file = open_memstream(&text, &size);
	svg_frames_write(&picture, file);
	fclose(file);
	return text;
}

static int count(const char *text, const char *part)
{
	int found = 0;

	for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
		found++;
	return found;
}

static void test_frames_lie_in_one_group_a_row(void **state)
{
	_cleanup_free_ char *text = draw("a;b;c 5\na;d 5\ne 10\n", 1200, "kind");

	(void)state;
	assert_int_equal(count(text, "<g transform=\"translate(0 "), 4); /* root, a e, b d, c */
	assert_int_equal(count(text, "<rect"), 6);
	assert_int_equal(count(text, "<title>"), 6);
	assert_int_equal(count(text, "<g"), count(text, "</g>"));
	assert_non_null(strstr(text, "<title>d (5 samples, 25.00%)</title>"));
}

static void test_neighbours_that_are_painted_alike_say_it_once(void **state)
{
	_cleanup_free_ char *alike = draw("a;x_[k] 5\nb;x_[k] 5\n", 1200, "kind");
	_cleanup_free_ char *different = draw("a;x_[k] 5\nb;x_[i] 5\n", 1200, "kind");

	(void)state;
	/* The two calls of x are both "k" of one shade. */
	assert_int_equal(count(alike, "<g class=\"k"), 1);
	assert_int_equal(count(alike, "<rect class=\"k"), 0);
	assert_int_equal(count(different, "<g class=\"k"), 0);
	assert_int_equal(count(different, "<rect class=\"k"), 1);
	assert_int_equal(count(different, "<rect class=\"i"), 1);
}

static void test_other_palettes_paint_each_frame(void **state)
{
	_cleanup_free_ char *text = draw("a 5\n", 1200, "hot");

	(void)state;
	assert_int_equal(count(text, "class=\"u"), 0);
	assert_int_equal(count(text, "<rect fill=\"#"), 2);
}

static void test_names_are_no_markup(void **state)
{
	_cleanup_free_ char *text = draw("<b>\"&' 5\n", 1200, "kind");

	(void)state;
	assert_null(strstr(text, "<b>"));
	assert_non_null(strstr(text, "<title>&lt;b&gt;"));
	assert_non_null(strstr(text, "&amp;"));
}

static void test_frames_too_narrow_to_be_seen_alone_share_paths(void **state)
{
	_cleanup_free_ char *folded = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&folded, &size);

	(void)state;
	/* In a row of 1180 px: two wide ones, between them thousands below half a pixel. */
	fputs("a 3000000\n", file);
	for (int i = 0; i < 3000; i++)
		fprintf(file, "f%04d 1\n", i);
	fputs("z 3000000\n", file);
	fclose(file);
	text = draw(folded, 1200, "kind");
	assert_int_equal(count(text, "<rect"), 3);
	assert_int_equal(count(text, "<path"), 1);
	/* Side by side they are one rectangle. */
	assert_int_equal(count(text, "M"), 1);
	assert_null(strstr(text, "f0001"));
}

static void test_a_picture_of_very_many_frames_stays_small(void **state)
{
	_cleanup_free_ char *folded = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&folded, &size);

	(void)state;
	/* 12000 frames of three pixels, each above one of the same width. */
	for (int i = 0; i < 300; i++) {
		fprintf(file, "r%03d", i);
		for (int j = 0; j < 40; j++)
			fprintf(file, ";f%03d_%02d", i, j);
		fputs(" 10\n", file);
	}
	fclose(file);
	text = draw(folded, 1200, "kind");
	assert_in_range(count(text, "<rect"), 1, 2500);
	assert_true(count(text, "<path") > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_lie_in_one_group_a_row),
		cmocka_unit_test(test_neighbours_that_are_painted_alike_say_it_once),
		cmocka_unit_test(test_other_palettes_paint_each_frame),
		cmocka_unit_test(test_names_are_no_markup),
		cmocka_unit_test(test_frames_too_narrow_to_be_seen_alone_share_paths),
		cmocka_unit_test(test_a_picture_of_very_many_frames_stays_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
