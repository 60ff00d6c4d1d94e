/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/processes/cgroup_table.h"

#include <errno.h>
#include <mntent.h>
#include <string.h>
#include <sys/stat.h>

#include "common/hashmap.h"
#include "daemon/core/processes/process_info.h"

struct cgroup {
	uint64_t id;
	char *path;
};

struct cgroup_table {
	char *mount_point; /* NULL: none */
	struct cgroup *cgroups;
	uint32_t count;
	size_t capacity;
	struct hashmap index;
};

static char *find_mount_point(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *mount;
	char *found = NULL;

	while (mounts && !found && (mount = getmntent(mounts)))
		if (strcmp(mount->mnt_type, "cgroup2") == 0)
			found = memory_copy_text(mount->mnt_dir, strlen(mount->mnt_dir));
	if (mounts)
		endmntent(mounts);
	return found;
}

struct cgroup_table *cgroup_table_new(void)
{
	struct cgroup_table *table = memory_new(sizeof(*table));

	table->mount_point = find_mount_point();
	return table;
}

void cgroup_table_free(struct cgroup_table *table)
{
	if (!table)
		return;
	for (uint32_t i = 0; i < table->count; i++)
		free(table->cgroups[i].path);
	free(table->cgroups);
	free(table->mount_point);
	hashmap_fini(&table->index);
	free(table);
}

static uint32_t find(const struct cgroup_table *table, uint64_t id)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->index, hash_u64(id), &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->index, &cursor))
		if (table->cgroups[i].id == id)
			return i;
	return HASHMAP_NONE;
}

/* The table is full of cgroups of long ago: start over, the living ones come back by themselves. */
static void clear(struct cgroup_table *table)
{
	for (uint32_t i = 0; i < table->count; i++)
		free(table->cgroups[i].path);
	table->count = 0;
	hashmap_clear(&table->index);
}

void cgroup_table_learn(struct cgroup_table *table, uint64_t id, uint32_t pid)
{
	char path[PROCESS_INFO_PATH_BYTES];

	if (find(table, id) != HASHMAP_NONE ||
	    process_info_read_cgroup(pid, path, sizeof(path)) != 0)
		return;
	if (table->count == CGROUP_TABLE_MAX)
		clear(table);
	uint32_t number = table->count++;
	table->cgroups = memory_grow(table->cgroups, &table->capacity, table->count,
				     sizeof(*table->cgroups));
	table->cgroups[number] = (struct cgroup){id, memory_copy_text(path, strlen(path))};
	hashmap_add(&table->index, hash_u64(id), number);
}

const char *cgroup_table_path(const struct cgroup_table *table, uint64_t id)
{
	uint32_t number = find(table, id);

	return number == HASHMAP_NONE ? NULL : table->cgroups[number].path;
}

/* Drop doubled and trailing slashes; "" becomes "/". Refuses "." and "..". */
static char *make_canonical(const char *path)
{
	char *canonical = memory_new(strlen(path) + 2);
	char *end = canonical;

	while (*path) {
		size_t length = strcspn(path, "/");

		if ((length == 1 && path[0] == '.') || (length == 2 && !memcmp(path, "..", 2))) {
			free(canonical);
			return NULL;
		}
		if (length > 0) {
			*end++ = '/';
			memcpy(end, path, length);
			end += length;
		}
		path += length + (path[length] == '/');
	}
	if (end == canonical)
		*end = '/';
	return canonical;
}

int cgroup_table_resolve(const struct cgroup_table *table, const char *path, uint64_t *id,
			 char **canonical)
{
	struct stat status;

	if (!table->mount_point)
		return -ENOTSUP;
	if (cgroup_path_is_under(path, table->mount_point))
		path += strlen(table->mount_point);
	_cleanup_free_ char *clean = make_canonical(path);
	if (!clean)
		return -ENOENT;
	_cleanup_free_ char *folder = memory_format("%s%s", table->mount_point, clean);
	if (stat(folder, &status) || !S_ISDIR(status.st_mode))
		return -ENOENT;
	/* The number of a cgroup is the inode number of its folder (kernfs, 64-bit). */
	*id = status.st_ino;
	*canonical = steal_ptr(&clean);
	return 0;
}

int cgroup_path_is_under(const char *path, const char *root)
{
	size_t length = strlen(root);

	if (strcmp(root, "/") == 0)
		return 1;
	return strncmp(path, root, length) == 0 && (path[length] == 0 || path[length] == '/');
}
