/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgets files that nothing refers to any more, where a host goes through so many of them (one that
 * compiles runs thousands a day) that their descriptors, images and numbers would add up: a module
 * that no stack names which is kept, and that no walk has come to for long. First the kernel programs
 * forget its number, so that the file would be announced as a new one; some time later, when no
 * sample can be on its way, the module leaves and its number may be given again.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_MODULE_SWEEP_H
#define FLAME_DAEMON_CORE_SAMPLING_MODULE_SWEEP_H

#include <stdint.h>

#include "common/cleanup.h"

#define MODULE_SWEEP_PERIOD_S 30
#define MODULE_SWEEP_KEEP     1024 /* so many are kept anyway: it costs time to read one again */
#define MODULE_SWEEP_IDLE_S   120  /* no walk has come by for so long */

struct module_table;
struct sampler;
struct stack_table;
struct symbolizer;
struct unwind_tables;

/* All borrowed for the sweep's life. */
struct module_sweep_sources {
	struct sampler *sampler;
	struct module_table *modules;
	struct unwind_tables *tables;
	struct symbolizer *symbolizer;
	const struct stack_table *stacks;
};

struct module_sweep;

/* Owned (module_sweep_free). */
struct module_sweep *module_sweep_new(const struct module_sweep_sources *sources);
void module_sweep_free(struct module_sweep *sweep);
DEFINE_CLEANUP(module_sweep_free, struct module_sweep)

/* Look at all modules when it is time. now_s: as unwind_tables_used_s(). */
void module_sweep_tick(struct module_sweep *sweep, uint32_t now_s);

#endif
