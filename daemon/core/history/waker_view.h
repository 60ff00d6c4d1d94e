/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a stack somebody sees of whom it tells that they ended a sleep: that is asked for, and
 * other users' processes are nobody's business.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_WAKER_VIEW_H
#define FLAME_DAEMON_CORE_HISTORY_WAKER_VIEW_H

#include <stdint.h>

struct stack_table;

struct waker_view {
	int is_asked;    /* for wakers */
	int may_see_all; /* those of other users' processes too */
	int has_wakers;  /* a stack told of one, seen or not: set by waker_view_of() */
};

/* The part of stack, from its root on, that is to be seen. Takes no reference. */
uint32_t waker_view_of(struct waker_view *view, const struct stack_table *stacks, uint32_t stack);

#endif
