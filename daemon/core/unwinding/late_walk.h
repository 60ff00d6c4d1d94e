/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks that the kernel program could not finish because a module had no tables yet: the sample and
 * its piece of stack wait here until the module was read, then the walk goes on with the same step
 * over the same rules, and the sample continues on its way. At most LATE_WALKS wait, none longer
 * than LATE_WALK_LIMIT_NS; what cannot wait goes on as it is.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_LATE_WALK_H
#define FLAME_DAEMON_CORE_UNWINDING_LATE_WALK_H

#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"

#define LATE_WALKS         256                   /* of about 31 KiB each at most */
#define LATE_WALK_LIMIT_NS UINT64_C(10000000000) /* as long as the elf reader may take */

struct late_walks;
struct module_table;
struct record_stack;

/* on_done is given each sample that waited, with the frames that were found. Borrowed: modules. */
struct late_walks *
late_walks_new(const struct module_table *modules,
	       void (*on_done)(void *context, const struct record_sample *sample), void *context);

/* Drops the samples that wait. */
void late_walks_free(struct late_walks *walks);
DEFINE_CLEANUP(late_walks_free, struct late_walks)

/* A piece of stack came, whose sample is to follow. The record's sizes have been checked. */
void late_walks_add_stack(struct late_walks *walks, const struct record_stack *stack);

/* Returns non-zero when the sample waits here from now on. */
int late_walks_add_sample(struct late_walks *walks, const struct record_sample *sample);

/* Go on with every walk that can: a module was read, or time has passed. Units: boot time. */
void late_walks_continue(struct late_walks *walks, uint64_t now_ns);

/* Walks that reached the root here, ever. */
uint64_t late_walks_finished(const struct late_walks *walks);

#endif
