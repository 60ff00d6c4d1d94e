/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch over threads: has the hooks attached while somebody wants the events that they serve,
 * and looks at all threads at the end of every bucket and whenever a question comes, so that the
 * history knows what each thread used and how long those that sleep have slept. Looks that take
 * long are made less often. Where the hooks would cost more than the budget they are attached for a
 * share of each bucket, from a random moment on (pacing.h).
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_WATCH_H
#define FLAME_DAEMON_CORE_TARGETS_WATCH_H

#include <stdint.h>

#include "common/cleanup.h"
#include "daemon/core/targets/pacing.h"
#include "daemon/core/workers/broker_client.h"

struct calibration;
struct event_base;
struct sampler;
struct watch;

/* What a look consists of. Returns the CPU time that those who are watched used since the last. */
typedef uint64_t watch_look_function(void *context);

/* What was spent since the last time; called about once a bucket while anything is watched. */
typedef void watch_cost_function(void *context, const struct pacing_usage *usage);

/* The collaborators are borrowed for the watch's life; length of a bucket in ns. */
struct watch *watch_new(struct event_base *base, struct broker_client *broker,
			struct sampler *sampler, struct calibration *calibration,
			uint64_t bucket_ns, watch_look_function *on_look,
			watch_cost_function *on_cost, void *context);
void watch_free(struct watch *watch);
DEFINE_CLEANUP(watch_free, struct watch)

/*
 * Have the events (a bit for each enum record_event) delivered from now on, and no others. done is
 * called when the hooks are attached as that needs, as broker_client.h says.
 */
void watch_want(struct watch *watch, uint32_t events, broker_done *done, void *context);

/* What watching may cost, percent of the CPU time of those who are watched; 0: no limit. */
void watch_set_budget(struct watch *watch, double percent);

/* Bring the history up to this moment. */
void watch_look(struct watch *watch);

/* Why what is wanted cannot be watched: a negative errno; 0: it can. */
int watch_error(const struct watch *watch);

/* Whether anything is wanted of it. */
int watch_is_on(const struct watch *watch);

/* What is in force. */
const struct pacing *watch_pacing(const struct watch *watch);

/* What watching cost in the last bucket, as a share of one CPU. */
double watch_cost(const struct watch *watch);

/* Whether it has been more than the budget allows for some buckets now. */
int watch_is_over_budget(const struct watch *watch);

#endif
