/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that probes the heap functions of one other process: one a process that is watched,
 * forked by the broker, for removing probes blocks and windows must end on time whatever else goes
 * on. It keeps the few rights that probes need, ends with the core's end of its socket or with the
 * broker, and the kernel removes its probes then, however it ended.
 */
#ifndef FLAME_DAEMON_BROKER_PROBER_H
#define FLAME_DAEMON_BROKER_PROBER_H

#include <sys/types.h>

#include "common/memory.h"

struct prober_setup;

/*
 * Fork a prober; *fd is the core's end of the socket pair to it: Owned. It is left for SIGCHLD.
 * Returns its pid. Errors: as fork(2) and socketpair(2).
 */
must_check pid_t prober_start(const struct prober_setup *setup, int *fd);

#endif
