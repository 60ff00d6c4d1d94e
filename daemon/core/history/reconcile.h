/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes sampled time agree with the scheduler's account: for each thread that was looked at, what
 * its stacks say about a kind of time (on a CPU, waiting for one, blocked) is scaled to what the
 * thread used of it. Stacks then add up to the window.
 */
#ifndef FLAME_DAEMON_CORE_HISTORY_RECONCILE_H
#define FLAME_DAEMON_CORE_HISTORY_RECONCILE_H

#include <stdint.h>

#include "daemon/core/history/bucket_ring.h"

struct reconcile;

/* Threads have numbers below thread_limit. Owned (reconcile_free). */
struct reconcile *reconcile_new(uint32_t thread_limit);
void reconcile_free(struct reconcile *reconcile);
DEFINE_CLEANUP(reconcile_free, struct reconcile)

/* Take account of a row of the answer, or of a total (EVENT_TOTAL_…). All rows before any scaling. */
void reconcile_add(struct reconcile *reconcile, const struct bucket_row *row);

/* Scale a row whose event is one of those with a total. */
void reconcile_scale(const struct reconcile *reconcile, struct bucket_row *row);

/*
 * Time of event that a thread used and no row tells of, in ns; 0: none. What little is missing from
 * a thread that has rows is in them after scaling.
 */
uint64_t reconcile_missing(const struct reconcile *reconcile, uint32_t thread, uint32_t event);

/* Whether the thread did not run at all while it was looked at. */
int reconcile_slept(const struct reconcile *reconcile, uint32_t thread);

#endif
