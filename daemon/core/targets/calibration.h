/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hooks cost on this machine: measured once, on a child of our own (broker/yardstick.h) that
 * does what they hook just before and just after they are attached for the first time. Takes some
 * 20 ms of CPU time each; where it fails, or gives what cannot be, constants stand in.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_CALIBRATION_H
#define FLAME_DAEMON_CORE_TARGETS_CALIBRATION_H

#include "common/cleanup.h"

#define CALIBRATION_LEAST_NS 20   /* a switch that is not walked cannot cost less, */
#define CALIBRATION_MOST_NS  2000 /* or more, whatever was measured */

struct broker_client;
struct calibration;
struct event_base;

/* The collaborators are borrowed for the calibration's life. */
struct calibration *calibration_new(struct event_base *base, struct broker_client *broker);
void calibration_free(struct calibration *calibration);
DEFINE_CLEANUP(calibration_free, struct calibration)

/*
 * Measure without hooks, unless that was done; done is called when the hooks may be attached, at once
 * where there is nothing to measure.
 */
void calibration_before(struct calibration *calibration, void (*done)(void *context),
			void *context);

/* Measure again, now that the hooks are attached, and have done with it. */
void calibration_after(struct calibration *calibration);

/* What a switch that is not walked costs, in ns: measured, or PACING_HIT_NS. */
double calibration_hit_ns(const struct calibration *calibration);

/* Whether it was measured. */
int calibration_is_measured(const struct calibration *calibration);

/* What follows from a switch taking before_ns without and after_ns with the hooks; 0: nothing. */
double calibration_compare(double before_ns, double after_ns);

#endif
