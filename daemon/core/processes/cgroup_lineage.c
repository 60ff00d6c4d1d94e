/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/cgroup_lineage.h"

#include <string.h>

#include "common/hashmap.h"
#include "common/memory.h"
#include "daemon/core/processes/cgroup_table.h"

struct line {
	uint64_t ids[CGROUP_LINEAGE_LEVELS]; /* the cgroup itself first */
	size_t count;
};

struct cgroup_lineage {
	struct cgroup_table *table;
	struct line *lines;
	uint32_t count;
	size_t capacity;
	struct hashmap index;
};

struct cgroup_lineage *cgroup_lineage_new(struct cgroup_table *table)
{
	struct cgroup_lineage *lineage = memory_new(sizeof(*lineage));

	lineage->table = table;
	return lineage;
}

void cgroup_lineage_free(struct cgroup_lineage *lineage)
{
	if (!lineage)
		return;
	free(lineage->lines);
	hashmap_fini(&lineage->index);
	free(lineage);
}

static const struct line *find(const struct cgroup_lineage *lineage, uint64_t id)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&lineage->index, hash_u64(id), &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&lineage->index, &cursor))
		if (lineage->lines[i].ids[0] == id)
			return &lineage->lines[i];
	return NULL;
}

/* Number by number, up to the root. */
static void trace(const struct cgroup_lineage *lineage, const char *full_path, struct line *line)
{
	_cleanup_free_ char *path = memory_copy_text(full_path, strlen(full_path));

	while (line->count < CGROUP_LINEAGE_LEVELS) {
		_cleanup_free_ char *canonical = NULL;
		char *slash = strrchr(path, '/');
		uint64_t id;

		if (!slash || !path[1])
			return;
		*slash = 0;
		if (cgroup_table_resolve(lineage->table, path, &id, &canonical))
			return;
		line->ids[line->count++] = id;
		if (!path[0])
			return;
	}
}

static const struct line *learn(struct cgroup_lineage *lineage, uint64_t id, uint32_t pid)
{
	struct line line = {.ids = {id}, .count = 1};
	const char *path;

	cgroup_table_learn(lineage->table, id, pid);
	path = cgroup_table_path(lineage->table, id);
	if (!path)
		return NULL;
	trace(lineage, path, &line);
	if (lineage->count == CGROUP_LINEAGE_MAX) {
		lineage->count = 0;
		hashmap_clear(&lineage->index);
	}
	lineage->lines = memory_grow(lineage->lines, &lineage->capacity, lineage->count + 1,
				     sizeof(*lineage->lines));
	lineage->lines[lineage->count] = line;
	hashmap_add(&lineage->index, hash_u64(id), lineage->count);
	return &lineage->lines[lineage->count++];
}

size_t cgroup_lineage_find(struct cgroup_lineage *lineage, uint64_t id, uint32_t pid, uint64_t *ids)
{
	const struct line *line = id ? find(lineage, id) : NULL;

	if (id && !line)
		line = learn(lineage, id, pid);
	if (!line)
		return 0;
	memcpy(ids, line->ids, line->count * sizeof(*ids));
	return line->count;
}
