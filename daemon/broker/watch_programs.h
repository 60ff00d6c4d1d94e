/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel programs that see threads sleep and pages come: hooks, which are attached while somebody
 * wants their events, and the look, an iterator over all threads.
 */
#ifndef FLAME_DAEMON_BROKER_WATCH_PROGRAMS_H
#define FLAME_DAEMON_BROKER_WATCH_PROGRAMS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

struct program_base;
struct watch_programs;

/* Load them; nothing is attached. Errors: as bpf(2). */
must_check int watch_programs_open(const struct program_base *base,
				   struct watch_programs **programs);

/* Detach and unload. */
void watch_programs_close(struct watch_programs *programs);
DEFINE_CLEANUP(watch_programs_close, struct watch_programs)

/* The link of the look: each file made of it is a look at all threads. Borrowed. */
int watch_programs_look(const struct watch_programs *programs);

/* Attach the hooks whose bit (1 << enum broker_hook) is set, detach the others. Errors: as bpf(2). */
must_check int watch_programs_set_hooks(struct watch_programs *programs, uint64_t hooks);

#endif
