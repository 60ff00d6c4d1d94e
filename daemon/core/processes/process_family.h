/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descendants of a process, from one look at /proc. Processes come and go meanwhile: who wants
 * all of them looks again until nothing new is found.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_PROCESS_FAMILY_H
#define FLAME_DAEMON_CORE_PROCESSES_PROCESS_FAMILY_H

#include <stdint.h>

#include "daemon/core/processes/process_info.h"

/* Zero-initialised is an empty family; free(members) releases it. */
struct process_family {
	struct process_info *members; /* parents before their children */
	uint32_t count;
	size_t capacity;
};

/* Add the living descendants of pid to family, not pid itself. Errors: as opendir(3). */
must_check int process_family_find(uint32_t pid, struct process_family *family);

#endif
