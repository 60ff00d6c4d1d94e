/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/floor_history.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define QUARTERS    (FLOOR_RISES + 1)
#define LEVEL_STEP  4 /* stretches that make one of the level above */
#define LEVEL_SHIFT 2

struct stretch {
	uint64_t floor;
	uint64_t peak;
};

/* Stretches of one length; those that were gathered to the next one follow behind. */
struct floor_level {
	struct stretch stretches[FLOOR_STRETCHES]; /* oldest first */
	uint32_t count;
	uint32_t gathered; /* of the level below, in next */
	struct stretch next;
	int has_past; /* stretches that are not kept any more */
	uint64_t past_peak;
};

/* The last stretches of a level. */
struct window {
	const struct floor_level *level;
	const struct stretch *stretches;
	uint32_t count;
	uint64_t stretch_looks;
};

void floor_history_fini(struct floor_history *history)
{
	free(history->levels);
	*history = (struct floor_history){0};
}

static void join(struct stretch *stretch, const struct stretch *other)
{
	if (other->floor < stretch->floor)
		stretch->floor = other->floor;
	if (other->peak > stretch->peak)
		stretch->peak = other->peak;
}

static void level_add(struct floor_level *level, const struct stretch *stretch)
{
	if (level->count == FLOOR_STRETCHES) {
		const struct stretch *oldest = &level->stretches[0];

		if (!level->has_past || oldest->peak > level->past_peak)
			level->past_peak = oldest->peak;
		level->has_past = 1;
		memmove(&level->stretches[0], &level->stretches[1],
			--level->count * sizeof(level->stretches[0]));
	}
	level->stretches[level->count++] = *stretch;
}

void floor_history_add(struct floor_history *history, uint64_t floor, uint64_t peak)
{
	struct stretch stretch = {floor, peak};

	history->looks++;
	for (uint32_t i = 0; i < FLOOR_LEVELS; i++) {
		if (i == history->level_count) {
			history->levels = memory_resize(history->levels, ++history->level_count,
							sizeof(history->levels[0]));
			history->levels[i] = (struct floor_level){0};
		}
		struct floor_level *level = &history->levels[i];

		level_add(level, &stretch);
		if (level->gathered)
			join(&level->next, &stretch);
		else
			level->next = stretch;
		if (++level->gathered < LEVEL_STEP)
			return;
		level->gathered = 0;
		stretch = level->next;
	}
}

static struct window last_of(const struct floor_history *history, uint32_t level, uint32_t count)
{
	const struct floor_level *from = &history->levels[level];

	return (struct window){
		.level = from,
		.stretches = &from->stretches[from->count - count],
		.count = count,
		.stretch_looks = UINT64_C(1) << LEVEL_SHIFT * level,
	};
}

/* Whether nothing lies before the window. */
static int is_whole(const struct window *window)
{
	return window->count == window->level->count && !window->level->has_past;
}

static uint64_t peak_before(const struct window *window)
{
	const struct floor_level *level = window->level;
	uint64_t peak = level->has_past ? level->past_peak : 0;

	for (uint32_t i = 0; i < level->count - window->count; i++)
		if (level->stretches[i].peak > peak)
			peak = level->stretches[i].peak;
	return peak;
}

static uint64_t quarter_floor(const struct window *window, uint32_t number)
{
	uint32_t to = window->count * (number + 1) / QUARTERS;
	uint64_t least = UINT64_MAX;

	for (uint32_t i = window->count * number / QUARTERS; i < to; i++)
		if (window->stretches[i].floor < least)
			least = window->stretches[i].floor;
	return least;
}

/* latest: the floor at the last look, which may lie behind a window of long stretches. */
static int is_rising(const struct window *window, uint64_t latest)
{
	uint64_t last = quarter_floor(window, QUARTERS - 1);

	for (uint32_t i = 1; i < QUARTERS; i++)
		if (quarter_floor(window, i) <= quarter_floor(window, i - 1))
			return 0;
	/* Nor may it have stopped with the last quarter. */
	if (window->stretch_looks > 1 && latest <= last)
		return 0;
	return is_whole(window) || last > peak_before(window);
}

static struct floor_trend describe(const struct window *window)
{
	struct floor_trend trend = {.count = window->count, .is_rising = 0};

	for (uint32_t i = 0; i < window->count; i++)
		trend.floors[i] = window->stretches[i].floor;
	if (window->count > 1)
		trend.growth = ((double)trend.floors[window->count - 1] - (double)trend.floors[0]) /
			       ((double)(window->count - 1) * (double)window->stretch_looks);
	return trend;
}

/* Whether a window of a level says that it rises, which is told. */
static int find_rise(const struct floor_history *history, uint32_t level, uint64_t at_least,
		     struct floor_trend *trend)
{
	const struct floor_level *first = &history->levels[0];
	uint64_t latest = first->stretches[first->count - 1].floor;

	for (uint32_t count = history->levels[level].count; count >= QUARTERS; count--) {
		struct window window = last_of(history, level, count);

		if (count * window.stretch_looks < at_least && !is_whole(&window))
			return 0;
		if (!is_rising(&window, latest))
			continue;
		*trend = describe(&window);
		trend->is_rising = 1;
		return 1;
	}
	return 0;
}

struct floor_trend floor_history_trend(const struct floor_history *history, uint64_t at_least)
{
	struct floor_trend trend = {0};

	if (at_least < FLOOR_LEAST)
		at_least = FLOOR_LEAST;
	for (uint32_t i = history->level_count; i-- > 0;)
		if (find_rise(history, i, at_least, &trend))
			return trend;
	for (uint32_t i = 0; i < history->level_count; i++) {
		struct window window = last_of(history, i, history->levels[i].count);

		if (window.count < QUARTERS && i > 0)
			break;
		trend = describe(&window);
		if (window.count * window.stretch_looks >= at_least)
			break;
	}
	return trend;
}
