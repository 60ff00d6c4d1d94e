/* SPDX-License-Identifier: Apache-2.0 */
/* The user-space end of the heap's kernel maps: the slots, and what each has cost. */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_MAPS_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_MAPS_H

#include <stdint.h>

#include "bpf/heap_record.h"
#include "common/cleanup.h"
#include "common/memory.h"

struct heap_maps {
	struct heap_slot *slots; /* HEAP_MAX_SLOTS, shared with the kernel programs */
	int usage_fd;            /* borrowed */
	uint32_t cpu_count;
};

/* Map them from the descriptors of the broker's greeting, borrowed. Errors: as mmap(2). */
must_check int heap_maps_open(struct heap_maps *maps, const int *fds, uint32_t cpu_count);
void heap_maps_close(struct heap_maps *maps);

/* Sum up what a slot has cost on all CPUs since it was first used. */
void heap_maps_read_usage(const struct heap_maps *maps, uint32_t slot, struct heap_usage *usage);

#endif
