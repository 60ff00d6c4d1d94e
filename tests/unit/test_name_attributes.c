/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/name_attributes.h"

#include <errno.h>
#include <string.h>

#include "client/flamegraph/options.h"
#include "client/flamegraph/palette_map.h"
#include "tests/unit/cmocka_all.h"

static void test_attributes_are_found_by_function(void **state)
{
	static const char text[] =
		"main\thref=https://a/?b=c\ttitle=the start\n\nwork\tid=w\tg_extra=data-x=\"1\" y='2'\n";
	struct name_attributes attributes;

	(void)state;
	name_attributes_init(&attributes);
	assert_int_equal(name_attributes_parse(&attributes, text, strlen(text)), 0);
	assert_string_equal(name_attributes_find(&attributes, "main", 4, ATTRIBUTE_HREF),
			    "https://a/?b=c");
	assert_string_equal(name_attributes_find(&attributes, "main", 4, ATTRIBUTE_TITLE),
			    "the start");
	assert_string_equal(name_attributes_find(&attributes, "work", 4, ATTRIBUTE_G_EXTRA),
			    "data-x=\"1\" y='2'");
	assert_null(name_attributes_find(&attributes, "work", 4, ATTRIBUTE_HREF));
	assert_null(name_attributes_find(&attributes, "none", 4, ATTRIBUTE_HREF));
	name_attributes_fini(&attributes);
}

static void test_what_could_be_other_markup_is_refused(void **state)
{
	static const char *const cases[] = {
		"main",
		"main\tcolor=red",
		"main\thref",
		"main\tg_extra=><script>",
		"main\tg_extra=x",
		"main\tg_extra=x=\"1",
		"main\tg_extra=x=\"1\"/>",
		"main\ta_extra=x=\"&\"",
		"main\ttitle=\x01",
		"\xff\ttitle=x",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct name_attributes attributes;

		name_attributes_init(&attributes);
		if (name_attributes_parse(&attributes, cases[i], strlen(cases[i])) != -EINVAL)
			fail_msg("accepted: %s", cases[i]);
		name_attributes_fini(&attributes);
	}
}

static void test_colours_of_a_map_are_kept(void **state)
{
	static const char text[] =
		"a->rgb(1,2,3)\noperator->->rgb(4,5,6)\nbad->rgb(1,2)\nworse->rgb(1,2,999)\nx\n";
	struct palette_map map;
	struct color color;

	(void)state;
	palette_map_init(&map);
	palette_map_parse(&map, text, strlen(text));
	assert_true(palette_map_find(&map, "a", 1, &color) && color.blue == 3);
	assert_true(palette_map_find(&map, "operator->", 10, &color) && color.red == 4);
	assert_false(palette_map_find(&map, "bad", 3, &color));
	assert_false(palette_map_find(&map, "worse", 5, &color));
	palette_map_fini(&map);
}

/* Set the option called name. */
static int set(struct flamegraph_options *options, const char *name, const char *argument)
{
	struct option list[64] = {{0}};
	const char *error = NULL;

	assert_true(flamegraph_options_count() < ARRAY_SIZE(list));
	flamegraph_options_list(list, 0);
	for (size_t i = 0; i < flamegraph_options_count(); i++) {
		if (strcmp(list[i].name, name) != 0)
			continue;
		int status = flamegraph_options_set(options, i, argument, &error);

		assert_true(status == 0 || error);
		return status;
	}
	fail_msg("no option %s", name);
	return -1;
}

static void test_options_out_of_range_are_refused(void **state)
{
	static const struct {
		const char *name, *argument;
		int status;
	} cases[] = {
		{"width", "800", 0},
		{"width", "0", -EINVAL},
		{"width", "1e9", -EINVAL},
		{"minwidth", "1%", 0},
		{"minwidth", "x", -EINVAL},
		{"minwidth", "101%", -EINVAL},
		{"colors", "java", 0},
		{"colors", "nope", -EINVAL},
		{"bgcolors", "#a0B1c2", 0},
		{"bgcolors", "#fff", -EINVAL},
		{"bgcolors", "pink", -EINVAL},
		{"notes", "a -- b", 0},
		{"notes", "a>b", -EINVAL},
		{"significance", "all", 0},
		{"significance", "2", -EINVAL},
		{"width-by", "larger", 0},
		{"width-by", "x", -EINVAL},
		{"cut", "auto", 0},
		{"cut", "top", -EINVAL},
		{"factor", "0", -EINVAL},
	};
	struct flamegraph_options options;

	(void)state;
	flamegraph_options_init(&options);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (set(&options, cases[i].name, cases[i].argument) != cases[i].status)
			fail_msg("--%s %s", cases[i].name, cases[i].argument);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attributes_are_found_by_function),
		cmocka_unit_test(test_what_could_be_other_markup_is_refused),
		cmocka_unit_test(test_colours_of_a_map_are_kept),
		cmocka_unit_test(test_options_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
