/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel program attached to places in a file, for one process: as one link where the kernel has
 * those (6.6 and later), else as one perf event a place. Closing either waits for the kernel, up to
 * 60 ms for a link and 100 ms a place for events.
 */
#ifndef FLAME_DAEMON_BROKER_UPROBE_LINK_H
#define FLAME_DAEMON_BROKER_UPROBE_LINK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/heap_record.h"
#include "common/memory.h"

#define UPROBE_MULTI_ATTACH_TYPE 48 /* BPF_TRACE_UPROBE_MULTI */

/* All zero but count is one that is closed. */
struct uprobe_link {
	int fds[HEAP_MAX_SITES];
	size_t count;
};

struct uprobe_places {
	int program;
	int file;
	pid_t pid;
	int is_return; /* where the functions return instead of where they are */
	size_t count;  /* at most HEAP_MAX_SITES */
	uint64_t offsets[HEAP_MAX_SITES];
	uint64_t cookies[HEAP_MAX_SITES];
};

/* Whether this kernel has links for many places. */
int uprobe_link_is_multi(void);

/* Attach; nothing is attached when it fails. Errors: as bpf(2) and perf_event_open(2). */
must_check int uprobe_link_open(struct uprobe_link *link, const struct uprobe_places *places,
				int is_multi);

/* Detach, which waits. */
void uprobe_link_close(struct uprobe_link *link);

#endif
