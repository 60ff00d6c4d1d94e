/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks as they are drawn and written: each is its frames, root first, and one value, or two in a
 * difference (before, after). Readers of text fill a list directly; a profile is laid out into one
 * by profile_stacks.h, which decides whether processes and threads are levels. Frames are numbers
 * of a profile without nodes and rows, which the list owns and which also says where the values
 * come from. A list is bounded by STACK_LIST_MAX_FRAMES.
 */
#ifndef FLAME_CLIENT_FORMATS_STACK_LIST_H
#define FLAME_CLIENT_FORMATS_STACK_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"
#include "common/profile.h"

#define STACK_LIST_MAX_FRAMES (1u << 30)

enum { STACK_BEFORE, STACK_AFTER, STACK_VALUES };

struct stack {
	uint32_t first; /* where its frames start in the list's frames */
	uint32_t depth;
	uint32_t number;                /* in the order in which they were added */
	double values[STACK_VALUES];    /* a list of one value uses STACK_BEFORE alone */
	double variances[STACK_VALUES]; /* of the values; 0: not known */
};

/* What one slice of a window put into a value. */
struct stack_slice {
	uint32_t stack; /* its number */
	uint32_t slice;
	double value;
};

/* The slices of one of the values; count 0: not known. */
struct stack_slices {
	struct stack_slice *rows;
	size_t row_count;
	size_t row_capacity;
	uint32_t count; /* of slices */
};

struct stack_list {
	struct profile *profile; /* names, frames, where it comes from */
	uint32_t *frames;        /* of all stacks: numbers in profile->frames, root first */
	size_t frame_count;
	size_t frame_capacity;
	struct stack *stacks;
	uint32_t stack_count;
	size_t stack_capacity;
	struct stack_slices slices[STACK_VALUES];
	double before_scale;   /* makes first values as wide as second ones: shares are compared */
	int has_two;           /* the stacks have two values */
	int has_modules;       /* frames of one name may differ in module: it came from a profile */
	const char *unit_name; /* of the values: "samples", "us", … (static text) */
	/* By value: the profile that all of it comes from, with processes and threads; often NULL. */
	struct profile *origins[STACK_VALUES];
	/* Frame numbers by name number, + 1: names that were added by stack_list_frame(). */
	uint32_t *named_frames;
	size_t named_capacity;
};

void stack_list_init(struct stack_list *list);
void stack_list_fini(struct stack_list *list);

/*
 * Return the number of the frame called text (of length bytes). The kind is read from the
 * annotation behind the name ("_[k]"), which stays part of it, or from a name in brackets.
 */
uint32_t stack_list_frame(struct stack_list *list, const char *text, size_t length);

/* Add a stack of depth frames. Errors: -E2BIG the list is full. */
must_check int stack_list_add(struct stack_list *list, const uint32_t *frames, uint32_t depth,
			      double before, double after);

/* Finds equal stacks of a list, so that a reader of single samples can add them up. */
struct stack_index {
	struct hashmap numbers; /* of stacks, by their frames */
};

void stack_index_fini(struct stack_index *index);

/*
 * Add value to the stack of these frames, which is added when it is new. All stacks of the list
 * come through the same index. Errors: -E2BIG the list is full.
 */
must_check int stack_list_count(struct stack_list *list, struct stack_index *index,
				const uint32_t *frames, uint32_t depth, double value);

/* Text of frame number frame. Borrowed (valid until the list goes). */
static inline const char *stack_list_name(const struct stack_list *list, uint32_t frame)
{
	return profile_text(list->profile, list->profile->frames[frame].name);
}

/* Turn every stack round: leaf first becomes root first. */
void stack_list_reverse(struct stack_list *list);

/*
 * Sort as `LC_ALL=C sort` does with the lines of folded text, and add up the values of equal
 * stacks, their variances and slices. Stacks without a value stay.
 */
void stack_list_merge_equal(struct stack_list *list);

/* Sum of the values. */
double stack_list_total(const struct stack_list *list, int which);

/* What one sample is worth in values that come without a variance. */
double stack_list_sample_value(const struct stack_list *list, int which);

/*
 * What frames are sorted by: two numbers for each, one for a frame that others follow (ranks[2f])
 * and one for the last of its stack (ranks[2f + 1]), since folded text has ';' behind the one and a
 * space behind the other. Where names are not unique (has_modules) both stand side by side, so that
 * a frame is never torn apart. Owned (free).
 */
uint32_t *stack_list_ranks(const struct stack_list *list);

/* The letter of the annotation at the end of name ("_[k]": 'k'), or 0. */
char stack_annotation(const char *name, size_t length);

/* Bytes that an annotation takes at the end of a name. */
#define STACK_ANNOTATION_LENGTH 4

#endif
