/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How little (the floor) and how much (the peak) something held from look to look, over its whole
 * life: the last FLOOR_STRETCHES stretches of one look each, of four, of sixteen and so on. So what
 * began to grow a minute ago after a quiet day is seen, and what grows by one block an hour, too. A
 * value inside of its owner; zero-initialised is one without looks.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_FLOOR_HISTORY_H
#define FLAME_DAEMON_CORE_HEAP_FLOOR_HISTORY_H

#include <stdint.h>

#define FLOOR_STRETCHES 8
#define FLOOR_LEVELS    10 /* stretches of up to 4^9 looks */
#define FLOOR_RISES     3  /* of the floor, in as many quarters of a window, that make it rise */
#define FLOOR_LEAST     16 /* looks that a window has at least, unless it is all there is */

struct floor_level;

struct floor_history {
	struct floor_level *levels; /* Owned (floor_history_fini) */
	uint32_t level_count;
	uint64_t looks;
};

/* What a history says. */
struct floor_trend {
	int is_rising;
	double growth; /* of the floor in a look */
	uint32_t count;
	uint64_t floors[FLOOR_STRETCHES]; /* of the window that this is about, oldest first */
};

/* One more look: the least and the most that was held since the one before. */
void floor_history_add(struct floor_history *history, uint64_t floor, uint64_t peak);
void floor_history_fini(struct floor_history *history);

/*
 * The longest window up to now, of at_least looks or of all, in each quarter of which the floor
 * rose, and beyond any peak before; where there is none, a window of about at_least looks.
 */
struct floor_trend floor_history_trend(const struct floor_history *history, uint64_t at_least);

#endif
