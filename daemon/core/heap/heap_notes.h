/* SPDX-License-Identifier: Apache-2.0 */
/* What belongs to every answer about allocations: how they were recorded, and what that cost. */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_NOTES_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_NOTES_H

struct heap_table;
struct profile;

/* Add a note for each process of the profile that is or was watched, and the cost. */
void heap_notes_add(const struct heap_table *heaps, struct profile *profile);

#endif
