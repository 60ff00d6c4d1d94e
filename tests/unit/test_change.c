/* SPDX-License-Identifier: Apache-2.0 */
#include "client/flamegraph/change.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/flamegraph/difference.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define SAMPLES 2970 /* 30 s at 99 Hz */

/* Shares of independent samples, each of value 1. */
static struct share count_share(double part, double whole)
{
	return (struct share){
		.part = part, .part_variance = part, .whole = whole, .whole_variance = whole};
}

static struct change compare(double before, double after)
{
	struct share base = count_share(before, SAMPLES), shown = count_share(after, SAMPLES);
	struct change change = {0};

	change_find(&change, &base, &shown);
	return change;
}

static void test_the_interval_is_that_of_two_proportions(void **state)
{
	struct change change = compare(297, 386);
	double deviation = sqrt(0.1 * 0.9 / SAMPLES + 0.13 * 0.87 / SAMPLES);

	(void)state;
	assert_true(fabs(change.before - 0.1) < 1e-9);
	assert_true(fabs((change.high - change.low) / 2 - 1.96 * deviation) < 1e-4);
	assert_true(change.p < 0.001);
	assert_true(compare(297, 300).p > 0.5);
}

static void test_what_appears_or_vanishes_is_judged_too(void **state)
{
	(void)state;
	assert_true(compare(0, 1).p > 0.1);
	assert_true(compare(0, 30).p < 0.001);
	assert_true(compare(30, 0).p < 0.001);
	assert_true(compare(SAMPLES, SAMPLES).p == 1);
	struct share nothing = {0}, something = count_share(1, 10);
	struct change change = {0};
	change_find(&change, &nothing, &something);
	assert_true(change.p == 1 && isfinite(change.after));
}

static void test_bursts_are_less_evidence_than_their_samples(void **state)
{
	double even[10], burst[10] = {0}, wholes[10];
	struct share base = count_share(100, 1000), shown = count_share(150, 1000);
	struct change change = {0};

	(void)state;
	for (int i = 0; i < 10; i++) {
		even[i] = 10;
		wholes[i] = 100;
	}
	burst[3] = 100;
	assert_true(change_between(even, wholes, 10) < 1e-12);
	base.slice_count = shown.slice_count = 10;
	change_find(&change, &base, &shown);
	double alone = change.p;
	base.between = shown.between = change_between(burst, wholes, 10);
	change_find(&change, &base, &shown);
	assert_true(alone < 0.01 && change.p > 0.3);
	assert_true(change_between(burst, wholes, 1) == 0);
}

static struct change make_change(double p, double before, double after)
{
	return (struct change){.p = p, .before = before, .after = after, .low = -1, .high = 1};
}

static void test_the_false_discovery_rate_is_kept(void **state)
{
	/* The steps of Benjamini and Hochberg: 0.03 passes as third of four at 0.05. */
	struct change equal[] = {
		make_change(0.03, 0.1, 0.4),
		make_change(0.9, 0.2, 0.3),
		make_change(0.001, 0.3, 0.2),
		make_change(0.02, 0.4, 0.1),
	};
	static const int expected[] = {1, 0, 1, 1};

	(void)state;
	change_control(equal, 4, 0.05);
	for (int i = 0; i < 4; i++)
		assert_int_equal(equal[i].is_significant, expected[i]);
	change_control(equal, 4, 0);
	assert_true(equal[1].is_significant);
	change_control(equal, 0, 0.05);
}

static void test_wide_frames_weigh_more_and_equal_ones_count_once(void **state)
{
	struct change changes[64];

	(void)state;
	/* Weighed alike, 0.004 would have to be below 0.05 / 61. */
	changes[0] = make_change(0.004, 0.10, 0.13);
	for (int i = 1; i < 61; i++)
		changes[i] = make_change(0.5, 0.002, 0.002 + i * 1e-6);
	/* Its only callee asks nothing new, and the root can only be everything. */
	changes[61] = changes[0];
	changes[62] = changes[0];
	changes[63] = (struct change){.p = 1, .before = 1, .after = 1};
	change_control(changes, 64, 0.05);
	assert_true(changes[0].is_significant && changes[61].is_significant);
	assert_false(changes[1].is_significant || changes[63].is_significant);
}

static void test_the_trunk_does_not_hide_a_branch(void **state)
{
	struct change changes[44];

	(void)state;
	changes[0] = make_change(0.01, 0.10, 0.13);
	/* Callers of nearly everything, each a little less than the one before, and one of half. */
	for (int i = 1; i < 43; i++)
		changes[i] = make_change(0.5, 1 - i * 0.001, 1 - i * 0.0011);
	changes[43] = make_change(0.4, 0.5, 0.51);
	change_control(changes, 44, 0.05);
	assert_true(changes[0].is_significant);
	for (int i = 1; i < 44; i++)
		assert_false(changes[i].is_significant);
}

static void test_slices_tell_of_a_program_that_is_steadier_than_chance(void **state)
{
	struct share base = count_share(300, 3000), shown = count_share(350, 3000);
	struct change alone = {0}, between = {0}, few = {0}, even = {0};

	(void)state;
	change_find(&alone, &base, &shown);
	base.slice_count = shown.slice_count = 30;
	base.between = shown.between = 0.5 * 0.1 * 0.9 / 3000;
	change_find(&between, &base, &shown);
	double width = sqrt(2 * 0.5 * 0.1 * 0.9 / 3000);
	assert_true(between.p < alone.p);
	assert_true(fabs((between.high - between.low) / 2 - 1.96 * width) < 1e-4);
	/* Not from a few slices, and not without end. */
	base.slice_count = shown.slice_count = 5;
	change_find(&few, &base, &shown);
	assert_true(few.high - few.low >= alone.high - alone.low);
	base.slice_count = shown.slice_count = 30;
	base.between = shown.between = 0;
	change_find(&even, &base, &shown);
	assert_true((even.high - even.low) * 2 > (alone.high - alone.low) * 0.999);
}

/* A number in [0, 1) from a generator that is the same everywhere. */
static double next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (double)(*state >> 11) / 9007199254740992.0;
}

#define FUNCTIONS 60
#define PAIRS     40

/* Draw a window of a program whose functions have fixed shares; function 0 has planted. */
static void draw_window(struct stack_list *list, int which, double planted, uint64_t *random)
{
	double counts[FUNCTIONS] = {0};
	char name[16];

	for (int i = 0; i < SAMPLES; i++) {
		double at = next_random(random);
		int function = at < planted ? 0
					    : 1 + (int)(next_random(random) * next_random(random) *
							(FUNCTIONS - 1));

		counts[function]++;
	}
	for (int i = 0; i < FUNCTIONS; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		uint32_t frames[2] = {stack_list_frame(list, "main", 4),
				      stack_list_frame(list, name, strlen(name))};

		assert_int_equal(stack_list_add(list, frames, 2, which ? 0 : counts[i],
						which ? counts[i] : 0),
				 0);
	}
}

/* Compare windows with shares before and after; returns how often function 0 is called changed. */
static int compare_windows(double before, double after, int *others)
{
	uint64_t random = 7;
	int found = 0;

	*others = 0;
	for (int pair = 0; pair < PAIRS; pair++) {
		_cleanup_(stack_list_fini) struct stack_list list;
		_cleanup_(difference_fini) struct difference difference;

		stack_list_init(&list);
		list.has_two = 1;
		draw_window(&list, STACK_BEFORE, before, &random);
		draw_window(&list, STACK_AFTER, after, &random);
		stack_list_merge_equal(&list);
		difference_init_functions(&difference, &list, 0.05);
		for (uint32_t i = 0; i < difference.count; i++) {
			int is_planted = strcmp(stack_list_name(&list, i), "f0") == 0;

			found += is_planted && difference.changes[i].is_significant;
			*others += !is_planted && difference.changes[i].is_significant;
		}
	}
	return found;
}

static void test_a_steady_program_does_not_change(void **state)
{
	int others, found = compare_windows(0.1, 0.1, &others);

	(void)state;
	assert_true(found <= PAIRS / 20);
	assert_true(others <= PAIRS * FUNCTIONS / 20);
}

static void test_three_points_in_thirty_seconds_are_found(void **state)
{
	int others, found = compare_windows(0.1, 0.13, &others);

	(void)state;
	assert_true(found >= PAIRS * 8 / 10);
	assert_true(others <= PAIRS * FUNCTIONS / 20);
}

static void test_periods_are_no_counts(void **state)
{
	_cleanup_(stack_list_fini) struct stack_list list;
	uint32_t frame;

	(void)state;
	stack_list_init(&list);
	frame = stack_list_frame(&list, "f", 1);
	assert_int_equal(stack_list_add(&list, &frame, 1, 3e7, 5), 0);
	assert_int_equal(stack_list_add(&list, &frame, 1, 5e7, 3), 0);
	assert_true(stack_list_sample_value(&list, STACK_BEFORE) == 1e7);
	assert_true(stack_list_sample_value(&list, STACK_AFTER) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_interval_is_that_of_two_proportions),
		cmocka_unit_test(test_what_appears_or_vanishes_is_judged_too),
		cmocka_unit_test(test_bursts_are_less_evidence_than_their_samples),
		cmocka_unit_test(test_the_false_discovery_rate_is_kept),
		cmocka_unit_test(test_wide_frames_weigh_more_and_equal_ones_count_once),
		cmocka_unit_test(test_the_trunk_does_not_hide_a_branch),
		cmocka_unit_test(test_slices_tell_of_a_program_that_is_steadier_than_chance),
		cmocka_unit_test(test_a_steady_program_does_not_change),
		cmocka_unit_test(test_three_points_in_thirty_seconds_are_found),
		cmocka_unit_test(test_periods_are_no_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
