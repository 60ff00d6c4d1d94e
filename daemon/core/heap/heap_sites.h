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

/* Empty the slot for a process that begins. */
void heap_sites_init(struct heap_slot *slot);

/*
 * Fill request with the sites of a file, and add where its functions are to the slot, as far as it
 * has room for them.
 */
void heap_sites_add(struct heap_slot *slot, const struct allocator_file *file,
		    struct prober_request *request);

/* Non-zero when the file has functions that may throw: what they allocate is not known. */
int heap_sites_may_throw(const struct allocator_file *file);

#endif
