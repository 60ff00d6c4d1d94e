/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few functions of the kernel that every stack ends in that leaves the CPU, and that tell
 * nothing. Where a thread is looked at from outside the kernel leaves them out by itself: without
 * them a wait looks the same whichever way it was seen.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_SCHEDULER_NAMES_H
#define FLAME_DAEMON_CORE_NAMES_SCHEDULER_NAMES_H

/* Whether name is that of such a function. */
int scheduler_names_has(const char *name);

#endif
