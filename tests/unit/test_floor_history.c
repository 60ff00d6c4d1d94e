/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/floor_history.h"

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define MINUTE 60
#define HOUR   3600

/* What is held at a look. */
typedef uint64_t course(uint64_t look);

static int rises(const struct floor_history *history, uint64_t at_least)
{
	return floor_history_trend(history, at_least).is_rising;
}

static void add_looks(struct floor_history *history, course *held, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		floor_history_add(history, held(i), held(i));
}

static uint64_t steady(uint64_t look)
{
	(void)look;
	return 1000;
}

static uint64_t leaking(uint64_t look)
{
	return 64 * look;
}

static uint64_t leaking_after_an_hour(uint64_t look)
{
	return look < HOUR ? 1000 + look % 7 : 1000 + 64 * (look - HOUR);
}

static uint64_t a_block_in_ten_minutes(uint64_t look)
{
	return 100 + look / (10 * MINUTE);
}

static uint64_t filled_within_ten_minutes(uint64_t look)
{
	return look < 10 * MINUTE ? look : 10 * MINUTE;
}

static uint64_t gathered_for_five_minutes_each(uint64_t look)
{
	return look % (5 * MINUTE);
}

static void what_rises_is_told_from_what_does_not(void **state)
{
	static const struct {
		course *held;
		uint64_t looks;
		uint64_t at_least;
		int is_rising;
	} cases[] = {
		{steady, HOUR, MINUTE, 0},
		{leaking, 3, MINUTE, 0},
		{leaking, 4, MINUTE, 1},
		{leaking, 100, MINUTE, 1},
		{leaking, 10 * HOUR, MINUTE, 1},
		{leaking, 10 * HOUR, HOUR, 1},
		{leaking_after_an_hour, HOUR, MINUTE, 0},
		{leaking_after_an_hour, HOUR + 30, MINUTE, 0},
		{leaking_after_an_hour, HOUR + 2 * MINUTE, MINUTE, 1},
		{leaking_after_an_hour, HOUR + 2 * MINUTE, HOUR, 0},
		{a_block_in_ten_minutes, 10 * HOUR, MINUTE, 1},
		{filled_within_ten_minutes, 8 * MINUTE, MINUTE, 1},
		{filled_within_ten_minutes, 15 * MINUTE, MINUTE, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct floor_history history = {0};

		add_looks(&history, cases[i].held, 0, cases[i].looks);
		if (rises(&history, cases[i].at_least) != cases[i].is_rising)
			fail_msg("case %zu", i);
		assert_int_equal(history.looks, cases[i].looks);
		floor_history_fini(&history);
	}
}

static void what_was_held_before_is_no_rise(void **state)
{
	struct floor_history history = {0};

	(void)state;
	add_looks(&history, gathered_for_five_minutes_each, 0, 10 * MINUTE);
	for (uint64_t i = 10 * MINUTE; i < 5 * HOUR; i++) {
		add_looks(&history, gathered_for_five_minutes_each, i, i + 1);
		assert_false(rises(&history, MINUTE));
	}
	floor_history_fini(&history);
}

static void peaks_between_looks_count(void **state)
{
	struct floor_history history = {0};

	(void)state;
	for (uint64_t i = 0; i < HOUR; i++)
		floor_history_add(&history, 10, 5000);
	for (uint64_t i = 0; i < 2 * MINUTE; i++)
		floor_history_add(&history, 10 + i, 5000);
	assert_false(rises(&history, MINUTE));
	for (uint64_t i = 0; i < 2 * MINUTE; i++)
		floor_history_add(&history, 6000 + i, 6000 + i);
	assert_true(rises(&history, MINUTE));
	floor_history_fini(&history);
}

static void growth_is_that_of_the_window_that_rises(void **state)
{
	struct floor_history history = {0};
	struct floor_trend trend;

	(void)state;
	add_looks(&history, leaking_after_an_hour, 0, HOUR + 5 * MINUTE);
	trend = floor_history_trend(&history, MINUTE);
	assert_true(trend.is_rising);
	/* A part of the first stretch lies before the beginning. */
	assert_true(trend.growth > 48 && trend.growth < 66);
	assert_in_range(trend.count, 4, FLOOR_STRETCHES);
	for (uint32_t i = 1; i < trend.count; i++)
		assert_true(trend.floors[i] > trend.floors[i - 1]);
	floor_history_fini(&history);
}

static void what_was_filled_once_does_not_grow_any_more(void **state)
{
	struct floor_history history = {0};

	(void)state;
	add_looks(&history, filled_within_ten_minutes, 0, 20 * MINUTE);
	assert_true(floor_history_trend(&history, MINUTE).growth < 0.01);
	floor_history_fini(&history);
}

static void without_looks_nothing_is_said(void **state)
{
	struct floor_history history = {0};
	struct floor_trend trend = floor_history_trend(&history, MINUTE);

	(void)state;
	assert_true(!trend.is_rising && !trend.count);
	floor_history_add(&history, 5, 5);
	trend = floor_history_trend(&history, MINUTE);
	assert_true(!trend.is_rising && trend.count == 1 && trend.floors[0] == 5);
	floor_history_fini(&history);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_rises_is_told_from_what_does_not),
		cmocka_unit_test(what_was_held_before_is_no_rise),
		cmocka_unit_test(peaks_between_looks_count),
		cmocka_unit_test(growth_is_that_of_the_window_that_rises),
		cmocka_unit_test(what_was_filled_once_does_not_grow_any_more),
		cmocka_unit_test(without_looks_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
