/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_maps.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <sys/mman.h>

#include "daemon/broker/broker_message.h"

int heap_maps_open(struct heap_maps *maps, const int *fds, uint32_t cpu_count)
{
	void *slots = mmap(NULL, HEAP_MAX_SLOTS * sizeof(*maps->slots), PROT_READ | PROT_WRITE,
			   MAP_SHARED, fds[BROKER_FD_HEAP_SLOTS], 0);

	if (slots == MAP_FAILED)
		return -errno;
	*maps = (struct heap_maps){slots, fds[BROKER_FD_HEAP_USAGE], cpu_count};
	return 0;
}

void heap_maps_close(struct heap_maps *maps)
{
	if (maps->slots)
		munmap(maps->slots, HEAP_MAX_SLOTS * sizeof(*maps->slots));
	maps->slots = NULL;
}

void heap_maps_read_usage(const struct heap_maps *maps, uint32_t slot, struct heap_usage *usage)
{
	_cleanup_free_ struct heap_usage *each = memory_new(maps->cpu_count * sizeof(*each));

	*usage = (struct heap_usage){0};
	if (bpf_map_lookup_elem(maps->usage_fd, &slot, each))
		return;
	for (uint32_t i = 0; i < maps->cpu_count; i++) {
		usage->hits += each[i].hits;
		usage->allocations += each[i].allocations;
		usage->bytes += each[i].bytes;
		usage->frees += each[i].frees;
		usage->dear += each[i].dear;
		usage->sampled += each[i].sampled;
		usage->lost += each[i].lost;
		usage->walk_ns += each[i].walk_ns;
		usage->walks_timed += each[i].walks_timed;
		usage->followed += each[i].followed;
		usage->leaves += each[i].leaves;
	}
}
