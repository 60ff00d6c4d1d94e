/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that were idle: they did not run once in the window, and waited for a lock, a timer, a
 * descriptor or a signal, as pools of workers do. They are left out of answers beside threads of
 * the same process that did something; a process of which nothing else would be left stays.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_IDLE_H
#define FLAME_DAEMON_CORE_HISTORY_IDLE_H

#include <stdint.h>

struct bucket_row;
struct process_table;
struct reconcile;
struct stack_table;

/* Set the weight and count of the rows of idle threads to 0. Returns how many threads that were. */
uint32_t idle_fold(struct process_table *processes, const struct stack_table *stacks,
		   const struct reconcile *reconcile, struct bucket_row *rows, uint32_t row_count);

#endif
