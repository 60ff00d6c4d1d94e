/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What targets mean for the kernel programs: the sets of processes, names and cgroups, one rate for
 * all, and the events that are watched. With several targets the kernel samples at the highest rate
 * and keeps each process's share of it.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_ENFORCEMENT_H
#define FLAME_DAEMON_CORE_TARGETS_ENFORCEMENT_H

#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"

struct broker_client;
struct enforcement;
struct sampler;
struct target;
struct watch;

/* The collaborators are borrowed for its life. Owned (enforcement_free). */
struct enforcement *enforcement_new(struct sampler *sampler, struct broker_client *broker,
				    struct watch *watch);
void enforcement_free(struct enforcement *enforcement);
DEFINE_CLEANUP(enforcement_free, struct enforcement)

/* Turn the targets into one rate and the sets of the kernel programs. Borrowed (for the call). */
void enforcement_apply(struct enforcement *enforcement, struct target *const *targets,
		       uint32_t count);

/* Have the broker set the rate again, which finds CPUs that came or went. */
void enforcement_renew_rate(struct enforcement *enforcement);

/* Call done once the kernel does what was applied last, at once when it does already. */
void enforcement_when_done(struct enforcement *enforcement, void (*done)(void *context),
			   void *context);

/* The rate of the kernel's events now, 0: nothing is sampled. */
uint32_t enforcement_rate_hz(const struct enforcement *enforcement);

/* How a process that target alone selects is to be profiled; its start time is not filled in. */
struct profiled enforcement_profile(const struct enforcement *enforcement,
				    const struct target *target);

#endif
