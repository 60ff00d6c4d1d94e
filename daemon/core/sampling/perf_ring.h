/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring buffer of one perf event, mapped: its records in order, each whole even where the buffer
 * ends and starts over. The kernel writes on while we read, until it meets what was not released.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_RING_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_RING_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define PERF_RING_MIN_BYTES (UINT32_C(64) << 10)

struct perf_ring;

/*
 * Map the buffer of an event, of size bytes (a power of two), or of as much as may be locked into
 * memory. Takes fd. Errors: as mmap(2).
 */
must_check int perf_ring_open(int fd, size_t size, struct perf_ring **ring);
void perf_ring_close(struct perf_ring *ring);
DEFINE_CLEANUP(perf_ring_close, struct perf_ring)

/* See what the kernel has written until now. */
void perf_ring_look(struct perf_ring *ring);

/*
 * Find the next record of those that were seen; NULL: there is none. Borrowed (until it is skipped).
 * A buffer whose sizes make no sense is emptied, and *is_broken set.
 */
const void *perf_ring_peek(struct perf_ring *ring, size_t *size, int *is_broken);

/* Go on behind the record of that size. */
void perf_ring_skip(struct perf_ring *ring, size_t size);

/* The records that were skipped may be overwritten. */
void perf_ring_release(struct perf_ring *ring);

/* Forget whatever is in the buffer. */
void perf_ring_discard(struct perf_ring *ring);

#endif
