/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/palette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static const char *const plain[] = {"hot",  "mem",  "io",     "red",    "green",
				    "blue", "aqua", "yellow", "purple", "orange"};

static struct color color_of(const char *palette, enum palette_mode mode, const char *name)
{
	return palette_color(palette, mode, name, strlen(name), FRAME_USER);
}

static int is_same(struct color one, struct color other)
{
	return memcmp(&one, &other, sizeof(one)) == 0;
}

static int lightness(struct color color)
{
	return color.red * 3 + color.green * 6 + color.blue;
}

static void test_every_palette_that_is_listed_exists(void **state)
{
	_cleanup_free_ char *list = strdup(palette_list() + strlen("none of "));
	char *rest = NULL;
	int count = 0;

	(void)state;
	for (char *name = strtok_r(list, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
		assert_true(palette_exists(name));
		count++;
	}
	assert_int_equal(count, 18);
	assert_false(palette_exists("pink"));
	assert_false(palette_exists(""));
}

static void test_a_name_has_the_same_colour_each_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
		struct color color = color_of(plain[i], PALETTE_BY_NAME, "main");

		assert_true(is_same(color, color_of(plain[i], PALETTE_BY_NAME, "main")));
		assert_false(is_same(color, color_of(plain[i], PALETTE_BY_NAME, "other")));
	}
}

static void test_names_that_begin_alike_look_alike_by_hash(void **state)
{
	struct color one = color_of("red", PALETTE_BY_HASH, "memcpy_avx");
	struct color other = color_of("red", PALETTE_BY_HASH, "memcpy_sse");

	(void)state;
	assert_true(is_same(one, other)); /* red follows the first letters alone */
	assert_false(is_same(one, color_of("red", PALETTE_BY_HASH, "xyz")));
	/* The module takes no part; a name that is a module alone is a name. */
	assert_true(is_same(one, color_of("red", PALETTE_BY_HASH, "libc`memcpy_avx")));
	color_of("red", PALETTE_BY_HASH, "`");
	color_of("red", PALETTE_BY_HASH, "");
}

static void test_palettes_of_languages_choose_by_name(void **state)
{
	static const struct {
		const char *palette, *name;
		enum frame_kind kind;
		const char *wanted;
	} cases[] = {
		{"java", "Ljava/lang/String;::hash", FRAME_USER, "green"},
		{"java", "com/example/Main", FRAME_USER, "green"},
		{"java", "Interpreter_[j]", FRAME_USER, "green"},
		{"java", "f", FRAME_JIT, "green"},
		{"java", "f_[i]", FRAME_USER, "aqua"},
		{"java", "JVM::call", FRAME_USER, "yellow"},
		{"java", "read_[k]", FRAME_USER, "orange"},
		{"java", "read", FRAME_KERNEL, "orange"},
		{"java", "read", FRAME_USER, "red"},
		{"perl", "Perl_pp_add", FRAME_USER, "green"},
		{"perl", "A::B", FRAME_USER, "yellow"},
		{"js", "/app/x.js:1", FRAME_USER, "green"},
		{"js", "x.js/y", FRAME_USER, "red"},
		{"js", "f_[j]", FRAME_USER, "aqua"},
		{"js", "/f_[j]", FRAME_USER, "green"},
		{"js", "node::Start", FRAME_USER, "yellow"},
		{"js", "Builtin:f", FRAME_USER, "aqua"},
		{"python", "f (/usr/lib/python3/site-packages/x.py)", FRAME_USER, "aqua"},
		{"python", "f (/usr/lib/python3/json.py)", FRAME_USER, "blue"},
		{"python", "f (app.py)", FRAME_USER, "green"},
		{"python", "PyEval", FRAME_USER, "yellow"},
		{"python", "_PyEval", FRAME_USER, "yellow"},
		{"python", "pymain_run", FRAME_USER, "yellow"},
		{"python", "memcpy", FRAME_USER, "red"},
		{"rust", "core::ptr::drop", FRAME_USER, "orange"},
		{"rust", "<alloc::vec::Vec>", FRAME_USER, "orange"},
		{"rust", "app::run", FRAME_USER, "aqua"},
		{"rust", "memcpy", FRAME_USER, "yellow"},
		{"rust", "core::x", FRAME_KERNEL, "red"},
		{"chain", "f_[w]", FRAME_USER, "aqua"},
		{"chain", "f", FRAME_USER, "blue"},
		{"wakeup", "f", FRAME_USER, "aqua"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t length = strlen(cases[i].name);
		struct color found = palette_color(cases[i].palette, PALETTE_BY_NAME, cases[i].name,
						   length, cases[i].kind);
		struct color wanted = palette_color(cases[i].wanted, PALETTE_BY_NAME, cases[i].name,
						    length, cases[i].kind);

		if (!is_same(found, wanted))
			fail_msg("%s: %s is not %s", cases[i].palette, cases[i].name,
				 cases[i].wanted);
	}
}

/* What is left of it for who has no sense for red, or for green (after Machado and others, 2009). */
static const double senses[][3][3] = {
	{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	{{0.152286, 1.052583, -0.204868},
	 {0.114503, 0.786281, 0.099216},
	 {-0.003882, -0.048116, 1.051998}},
	{{0.367322, 0.860646, -0.227968},
	 {0.280085, 0.672501, 0.047413},
	 {-0.011820, 0.042940, 0.968881}},
};

static double linear(uint8_t channel)
{
	double share = channel / 255.0;

	return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4);
}

static double mix(const double weights[3], const double values[3])
{
	return fmax(0, weights[0] * values[0] + weights[1] * values[1] + weights[2] * values[2]);
}

/* CIELAB: distances are as they are felt, 100 is from black to white. */
static void to_lab(struct color color, const double sense[3][3], double lab[3])
{
	static const double xyz[3][3] = {
		{0.4339, 0.3762, 0.1899}, {0.2126, 0.7152, 0.0722}, {0.0177, 0.1095, 0.8729}};
	const double full[3] = {linear(color.red), linear(color.green), linear(color.blue)};
	double seen[3], roots[3];

	for (int i = 0; i < 3; i++)
		seen[i] = mix(sense[i], full);
	for (int i = 0; i < 3; i++) {
		double share = mix(xyz[i], seen);

		roots[i] = share > 0.008856 ? cbrt(share) : 7.787 * share + 16.0 / 116;
	}
	lab[0] = 116 * roots[1] - 16;
	lab[1] = 500 * (roots[0] - roots[1]);
	lab[2] = 200 * (roots[1] - roots[2]);
}

static double distance(struct color one, struct color other, const double sense[3][3])
{
	double a[3], b[3];

	to_lab(one, sense, a);
	to_lab(other, sense, b);
	return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) +
		    (a[2] - b[2]) * (a[2] - b[2]));
}

/* The least distance between shades of two kinds. */
static double kind_distance(enum frame_kind one, enum frame_kind other, const double sense[3][3])
{
	double least = 100;

	for (int i = 0; i < PALETTE_SHADES; i++)
		for (int k = 0; k < PALETTE_SHADES; k++)
			least = fmin(least, distance(palette_kind_shade(one, i),
						     palette_kind_shade(other, k), sense));
	return least;
}

static void test_kinds_of_code_differ_for_the_colour_blind_too(void **state)
{
	static const enum frame_kind code[] = {FRAME_USER, FRAME_LIBRARY, FRAME_KERNEL,
					       FRAME_JIT,  FRAME_INLINED, FRAME_UNKNOWN};

	(void)state;
	for (size_t sense = 0; sense < ARRAY_SIZE(senses); sense++)
		for (size_t i = 0; i < ARRAY_SIZE(code); i++)
			for (size_t k = 0; k < i; k++) {
				double found = kind_distance(code[i], code[k], senses[sense]);

				if (found < 14)
					fail_msg("kinds %d and %d are %.0f apart", code[i], code[k],
						 found);
			}
}

/* Labels are black: a contrast of 4.5 to 1 is what small text needs. */
static void test_labels_can_be_read_on_every_kind_of_code(void **state)
{
	static const double luminance[3] = {0.2126, 0.7152, 0.0722};

	(void)state;
	for (int kind = FRAME_USER; kind < FRAME_MARKED; kind++)
		for (int shade = 0; shade < PALETTE_SHADES; shade++) {
			struct color color = palette_kind_shade((enum frame_kind)kind, shade);
			const double light[3] = {linear(color.red), linear(color.green),
						 linear(color.blue)};

			assert_true((mix(luminance, light) + 0.05) / 0.05 >= 4.5);
		}
}

static void test_a_shade_is_one_of_a_few(void **state)
{
	int seen[PALETTE_SHADES] = {0};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		_cleanup_free_ char *name = memory_format("function_%d", i);
		int shade = palette_shade(name, strlen(name));

		assert_in_range(shade, 0, PALETTE_SHADES - 1);
		seen[shade]++;
	}
	for (int shade = 0; shade < PALETTE_SHADES; shade++)
		assert_true(seen[shade] > 0);
	assert_in_range(palette_shade("", 0), 0, PALETTE_SHADES - 1);
}

static void test_changes_are_warm_or_cold_and_paler_the_smaller(void **state)
{
	const struct color white = {255, 255, 255};

	(void)state;
	assert_true(is_same(palette_delta_color(0, 5), white));
	assert_true(is_same(palette_change_color(0, 5), white));
	assert_true(is_same(palette_change_color(0, 0), white));
	assert_true(is_same(palette_delta_color(5, 5), (struct color){255, 0, 0}));
	assert_true(is_same(palette_delta_color(-5, 5), (struct color){0, 0, 255}));
	assert_true(lightness(palette_delta_color(1, 5)) > lightness(palette_delta_color(4, 5)));
	assert_true(lightness(palette_change_color(1, 5)) > lightness(palette_change_color(4, 5)));
	assert_true(lightness(palette_change_color(-1, 5)) >
		    lightness(palette_change_color(-4, 5)));
	/* Ours is full at the limit and beyond it, and never as pale as no change. */
	assert_true(is_same(palette_change_color(9, 5), palette_change_color(5, 5)));
	assert_true(lightness(palette_change_color(1e-9, 5)) < lightness(white) - 100);
	assert_true(palette_change_color(5, 5).red > palette_change_color(5, 5).blue);
	assert_true(palette_change_color(-5, 5).red < palette_change_color(-5, 5).blue);
}

static void test_separators_are_grey(void **state)
{
	static const struct {
		const char *name;
		int wanted;
	} cases[] = {{"-", 1}, {"--", 1}, {"---", 0}, {"----", 0}, {"", 0}, {"a", 0}, {"-a", 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct color color = {1, 2, 3};

		assert_int_equal(
			palette_separator_color(cases[i].name, strlen(cases[i].name), &color),
			cases[i].wanted);
		assert_int_equal(color.red == color.blue, cases[i].wanted);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_palette_that_is_listed_exists),
		cmocka_unit_test(test_a_name_has_the_same_colour_each_time),
		cmocka_unit_test(test_names_that_begin_alike_look_alike_by_hash),
		cmocka_unit_test(test_palettes_of_languages_choose_by_name),
		cmocka_unit_test(test_kinds_of_code_differ_for_the_colour_blind_too),
		cmocka_unit_test(test_labels_can_be_read_on_every_kind_of_code),
		cmocka_unit_test(test_a_shade_is_one_of_a_few),
		cmocka_unit_test(test_changes_are_warm_or_cold_and_paler_the_smaller),
		cmocka_unit_test(test_separators_are_grey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
