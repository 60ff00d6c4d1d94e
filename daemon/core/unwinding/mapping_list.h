/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The executable mappings of one process, by address, as they were made: a new one takes the place
 * of what was there. That code was unmapped is not told by anyone; it does no harm, since no pc leads
 * there.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_MAPPING_LIST_H
#define FLAME_DAEMON_CORE_UNWINDING_MAPPING_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/record.h"

/* A process may map code without end: after so many the list stays as it is. */
#define MAPPING_LIST_MAX 16384

/* Zero-initialised is a valid empty list. */
struct mapping_list {
	struct mapping *mappings; /* by start, not overlapping */
	size_t count;
	size_t capacity;
};

void mapping_list_fini(struct mapping_list *list);

/* Find the mapping that pc lies in, among count of them that are in order; NULL: there is none. */
const struct mapping *mapping_list_find(const struct mapping *mappings, size_t count, uint64_t pc);

/* Forget all. */
void mapping_list_clear(struct mapping_list *list);

/* Make list (empty or not) the same as other. */
void mapping_list_copy(struct mapping_list *list, const struct mapping_list *other);

/* Add a mapping; nothing happens when it is empty or the list is full. */
void mapping_list_add(struct mapping_list *list, const struct mapping *mapping);

#endif
