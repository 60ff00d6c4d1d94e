/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/svg_kind.h"

#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/palette.h"
#include "client/flamegraph/picture.h"
#include "tests/unit/cmocka_all.h"

static void test_every_kind_has_a_label_and_classes_of_its_own_that_have_rules(void **state)
{
	_cleanup_free_ char *rules = NULL;
	size_t size;
	FILE *file = open_memstream(&rules, &size);

	(void)state;
	svg_kind_write_styles(file);
	fclose(file);
	for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
		assert_non_null(svg_kind_label((enum frame_kind)kind));
		for (int other = 0; other < kind; other++) {
			char mine[SVG_KIND_CLASS_BYTES], others[SVG_KIND_CLASS_BYTES];

			assert_string_not_equal(svg_kind_label((enum frame_kind)kind),
						svg_kind_label((enum frame_kind)other));
			svg_kind_class((enum frame_kind)kind, 0, mine);
			svg_kind_class((enum frame_kind)other, 0, others);
			assert_string_not_equal(mine, others);
		}
		for (int shade = 0; shade < PALETTE_SHADES; shade++) {
			char attribute[SVG_KIND_CLASS_BYTES], rule[32];
			struct color color = palette_kind_shade((enum frame_kind)kind, shade);
			const char *found;

			svg_kind_class((enum frame_kind)kind, shade, attribute);
			/* class="u0" -> .u0{fill:#...} */
			assert_int_equal(strncmp(attribute, "class=\"", 7), 0);
			snprintf(rule, sizeof(rule), ".%.2s{fill:#%02x%02x%02x}", attribute + 7,
				 color.red, color.green, color.blue);
			found = strstr(rules, rule);
			assert_non_null(found);
			assert_null(strstr(found + 1, rule));
		}
	}
}

static void test_kinds_are_shown_unless_colours_say_something_else(void **state)
{
	static const struct {
		const char *colors;
		int has_two, hash, random, color_map, wanted;
	} cases[] = {
		{"kind", 0, 0, 0, 0, 1}, {"hot", 0, 0, 0, 0, 0},  {"kind", 1, 0, 0, 0, 0},
		{"kind", 0, 1, 0, 0, 0}, {"kind", 0, 0, 1, 0, 0}, {"kind", 0, 0, 0, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct flamegraph_options options = {.colors = cases[i].colors,
							   .hash = cases[i].hash,
							   .random = cases[i].random,
							   .color_map = cases[i].color_map};
		const struct stack_list list = {.has_two = cases[i].has_two};
		const struct picture picture = {.options = &options, .list = &list};

		assert_int_equal(svg_kind_is_shown(&picture), cases[i].wanted);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_every_kind_has_a_label_and_classes_of_its_own_that_have_rules),
		cmocka_unit_test(test_kinds_are_shown_unless_colours_say_something_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
