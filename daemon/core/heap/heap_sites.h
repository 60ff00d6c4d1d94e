/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where to probe: the functions that were found in a file of an allocator, as its prober and, through
 * the slot, the kernel programs are told them.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_SITES_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_SITES_H

#include "bpf/heap_record.h"
#include "daemon/broker/prober_message.h"
#include "daemon/core/heap/allocator_search.h"

enum heap_sites_flag {
	HEAP_SITES_FOLLOWED = 1, /* some whose block can be seen as they return */
	HEAP_SITES_UNSEEN = 2,   /* some whose block cannot */
};

/* Empty the slot for a process that begins. */
void heap_sites_init(struct heap_slot *slot);

/*
 * Fill request with the sites of a file, and add where its functions are to the slot, as far as it
 * has room for them.
 */
void heap_sites_add(struct heap_slot *slot, const struct allocator_file *file,
		    struct prober_request *request);

/* What functions that may throw a file has, enum heap_sites_flag. */
uint32_t heap_sites_flags(const struct allocator_file *file);

#endif
