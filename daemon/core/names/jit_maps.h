/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of code that a process made at run time, from the perf-PID.map that its runtime writes
 * (node --perf-basic-prof, java agents, python -X perf). Each process whose stacks hold bare pcs
 * gets a module number of its own for them, so that behind the pipeline every frame is a (module,
 * offset) like any other. The file is looked up in the process's own mount namespace by its pid
 * there, must belong to the process's owner or root and be writable by nobody else, stays open, and
 * is read again when it has grown.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_JIT_MAPS_H
#define FLAME_DAEMON_CORE_NAMES_JIT_MAPS_H

#include <stdint.h>

#include "common/cleanup.h"

struct broker_client;
struct jit_maps;
struct module_table;
struct process;
struct worker_client;

/* The collaborators are borrowed for the maps' life. */
struct jit_maps *jit_maps_new(struct broker_client *broker, struct worker_client *reader,
			      struct module_table *modules);
void jit_maps_free(struct jit_maps *maps);
DEFINE_CLEANUP(jit_maps_free, struct jit_maps)

/*
 * Return the number of a module for the bare pcs of process, MODULE_NONE when numbers have run out,
 * and start to look for its map.
 */
uint32_t jit_maps_add(struct jit_maps *maps, const struct process *process);

/* Nothing refers to module number any more. */
void jit_maps_remove(struct jit_maps *maps, uint32_t number);

/* Read the map of module number again if there is more in it; the module is pending meanwhile. */
void jit_maps_refresh(struct jit_maps *maps, uint32_t number);

#endif
