/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lay a profile out as stacks: which unit the values have, and whether the process and the thread
 * are levels above the frames.
 */
#ifndef FLAME_CLIENT_FORMATS_PROFILE_STACKS_H
#define FLAME_CLIENT_FORMATS_PROFILE_STACKS_H

#include "client/formats/stack_list.h"

enum stack_unit {
	STACK_UNIT_DEFAULT, /* by event: samples, microseconds or bytes */
	STACK_UNIT_SAMPLES,
	STACK_UNIT_NS,
	STACK_UNIT_US,
	STACK_UNIT_MS,
	STACK_UNIT_BYTES,
	STACK_UNIT_COUNT
};

struct stack_levels {
	enum stack_unit unit;
	int by_process; /* the first frame is name/pid instead of name */
	int by_thread;  /* a frame thread/tid below the process */
};

/* "samples", "ns", … and back (-EINVAL for an unknown word). */
const char *stack_unit_name(enum stack_unit unit);
must_check int stack_unit_parse(const char *text, size_t length, enum stack_unit *unit);

/* How much of a profile's own unit it is. */
double stack_unit_divisor(enum stack_unit unit);

/* Non-zero when the rows of profile can be counted in unit. */
int stack_unit_fits(const struct profile *profile, enum stack_unit unit);

/* What STACK_UNIT_DEFAULT means for profile; any other unit is returned as it is. */
enum stack_unit stack_unit_of(const struct profile *profile, enum stack_unit unit);

/*
 * Add the rows of profile to list, as values number which (STACK_BEFORE in a list of one value);
 * where profile comes from is taken over by a list that does not know it yet, or added to what a
 * list of one value knows. Errors: -EINVAL the profile has no such unit (bytes of CPU time), -EDOM
 * the values in the list come from a profile and have another unit, -E2BIG the list is full.
 */
must_check int profile_stacks_add(struct stack_list *list, const struct profile *profile,
				  const struct stack_levels *levels, int which);

/*
 * Make a profile of the stacks of list, of values number which; frames become nodes, and the value
 * is count and weight at once. Values without a variance get that of so many samples
 * (stack_list_sample_value). Owned (profile_free).
 */
struct profile *profile_stacks_collect(const struct stack_list *list, int which);

/* The same, and of each stack the row that it is in, Owned (free); PROFILE_NO_ROW: no value. */
#define PROFILE_NO_ROW UINT32_MAX
struct profile *profile_stacks_collect_rows(const struct stack_list *list, int which,
					    uint32_t **rows);

#endif
