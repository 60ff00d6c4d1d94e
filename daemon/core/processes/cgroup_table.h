/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unified cgroup hierarchy as samples name it: numbers, turned into paths so that people can
 * select by them. A number is looked up once, while a process of it lives; cgroups that are gone
 * keep their path as long as the table has room.
 */
#ifndef FLAME_DAEMON_CORE_PROCESSES_CGROUP_TABLE_H
#define FLAME_DAEMON_CORE_PROCESSES_CGROUP_TABLE_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define CGROUP_TABLE_MAX 16384

struct cgroup_table;

/* Finds where the hierarchy is mounted; without any every path is unknown. */
struct cgroup_table *cgroup_table_new(void);
void cgroup_table_free(struct cgroup_table *table);
DEFINE_CLEANUP(cgroup_table_free, struct cgroup_table)

/* Learn the path of cgroup id, which pid is in, unless it is known. */
void cgroup_table_learn(struct cgroup_table *table, uint64_t id, uint32_t pid);

/* The path of cgroup id ("/system.slice/cron.service"), or NULL. Borrowed (until the next learn). */
const char *cgroup_table_path(const struct cgroup_table *table, uint64_t id);

/*
 * Find the cgroup that path names: as in /proc/PID/cgroup, or below the mount point. Writes its
 * number and its canonical path (Owned, free). Errors: -ENOENT, -ENOTSUP without a hierarchy.
 */
must_check int cgroup_table_resolve(const struct cgroup_table *table, const char *path,
				    uint64_t *id, char **canonical);

/* Non-zero when path is root or lies below it, both canonical. */
int cgroup_path_is_under(const char *path, const char *root);

#endif
