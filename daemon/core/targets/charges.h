/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who pays for the watch over sleeps and page faults: what it cost in a bucket is shared among the
 * targets by what their threads gave rise to, as the looks tell. Switches of threads that nobody
 * watches are met by the hooks too; nobody is charged for those.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_CHARGES_H
#define FLAME_DAEMON_CORE_TARGETS_CHARGES_H

#include "daemon/core/targets/target.h"

struct pacing_usage;
struct process;
struct target_table;

/* Zero-initialised: nothing to be charged for yet. */
struct charges {
	struct watched everybody; /* since charges_settle() */
};

/* A look told this of a thread of process. */
void charges_add(struct charges *charges, struct target_table *targets, struct process *process,
		 const struct watched *watched);

/* Charge target for what its threads gave rise to of what everybody did in a bucket. */
void charges_bill(struct target *target, const struct watched *everybody,
		  const struct pacing_usage *usage);

/* Charge the targets for a bucket. */
void charges_settle(struct charges *charges, struct target_table *targets,
		    const struct pacing_usage *usage);

#endif
