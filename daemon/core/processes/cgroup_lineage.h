/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroups that a cgroup lies in, as numbers: what samples are matched with when a cgroup is
 * profiled. Found out once for each, while a process of it lives.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_CGROUP_LINEAGE_H
#define FLAME_DAEMON_CORE_PROCESSES_CGROUP_LINEAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

#define CGROUP_LINEAGE_LEVELS 16   /* deeper ones are cut off at the top */
#define CGROUP_LINEAGE_MAX    4096 /* cgroups; then all are found out anew */

struct cgroup_lineage;
struct cgroup_table;

/* table is borrowed for the lineage's life. */
struct cgroup_lineage *cgroup_lineage_new(struct cgroup_table *table);
void cgroup_lineage_free(struct cgroup_lineage *lineage);
DEFINE_CLEANUP(cgroup_lineage_free, struct cgroup_lineage)

/*
 * Write the numbers of cgroup id, which pid is in, and of all above it into ids, at most
 * CGROUP_LINEAGE_LEVELS; returns how many there are, 0 when they cannot be found out.
 */
size_t cgroup_lineage_find(struct cgroup_lineage *lineage, uint64_t id, uint32_t pid,
			   uint64_t *ids);

#endif
