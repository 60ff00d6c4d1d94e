/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process whose heap is to be watched gets its prober: its allocator is searched, and if it has
 * one, the broker starts a prober for it. Stands between the allocator search and the broker on one
 * side and the heap process on the other, which waits for it.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_PROBER_ARRIVAL_H
#define FLAME_DAEMON_CORE_HEAP_PROBER_ARRIVAL_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/core/heap/allocator_search.h"
#include "daemon/core/heap/heap_sources.h"

struct prober_arrival;

/* What it came to. */
struct prober_arrived {
	int error;                          /* 0: it is there */
	const char *reason;                 /* of an error, a sentence's end */
	int fd;                             /* of the prober: the callee's */
	const struct allocator_file *files; /* borrowed for the call, their descriptors too */
	size_t file_count;
};

/* Errors: -ENOENT there is no allocator, -ESRCH the process is gone, or as the broker says. */
typedef void prober_arrival_done(void *context, const struct prober_arrived *arrived);

/*
 * Begin for process (pid, start_time_ns) and a slot. done is called once, after the return. sources
 * is borrowed: it has to be cancelled before the broker's or the reader's client is freed.
 */
struct prober_arrival *prober_arrival_start(const struct heap_sources *sources, uint32_t pid,
					    uint64_t start_time_ns, uint32_t slot,
					    prober_arrival_done *done, void *context);

/* Give up; a prober that comes all the same is ended. NULL is accepted. */
void prober_arrival_cancel(struct prober_arrival *arrival);

#endif
