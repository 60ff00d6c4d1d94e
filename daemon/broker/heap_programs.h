/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs that run where a process allocates and frees. Probers attach them.
 */
#ifndef FLAME_DAEMON_BROKER_HEAP_PROGRAMS_H
#define FLAME_DAEMON_BROKER_HEAP_PROGRAMS_H

#include "common/cleanup.h"
#include "common/memory.h"

struct heap_programs;
struct prober_setup;
struct program_base;

/*
 * Load them, with is_single to be attached one place at a time even where the kernel can do many.
 * Errors: as bpf(2).
 */
must_check int heap_programs_open(const struct program_base *base, int is_single,
				  struct heap_programs **programs);

/* Unload; what probers have attached goes with the probers. */
void heap_programs_close(struct heap_programs *programs);
DEFINE_CLEANUP(heap_programs_close, struct heap_programs)

/* Fill in what a prober needs to know of them. Borrowed. */
void heap_programs_get(const struct heap_programs *programs, struct prober_setup *setup);

#endif
