/* SPDX-License-Identifier: Apache-2.0 */
/* What a prober works with: the kernel programs, and the process that it is for. */
#ifndef FLAME_DAEMON_BROKER_PROBER_SETUP_H
#define FLAME_DAEMON_BROKER_PROBER_SETUP_H

#include <stdint.h>
#include <sys/types.h>

/* The kernel programs, by what they are attached to. */
enum heap_program {
	HEAP_PROGRAM_ENTER,
	HEAP_PROGRAM_RETURN,
	HEAP_PROGRAM_LEAVE,
	HEAP_PROGRAM_FREE,
	HEAP_PROGRAM_WINDOW,
	HEAP_PROGRAM_COUNT
};

struct broker_request;

struct prober_setup {
	pid_t pid;
	const struct broker_request *request; /* that names the process, to check it */
	uint32_t slot;                        /* in "heap_slots" */
	int is_multi;                         /* uprobe_link_is_multi() */
	int slots_map;
	int programs[HEAP_PROGRAM_COUNT];
};

#endif
