/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/fetch_cache.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

#define MAX_OPEN_FOLDERS 16 /* while a private folder is removed */

/* systemd may tell several folders, separated by colons: the first is ours. */
static char *service_folder(void)
{
	const char *folders = getenv("CACHE_DIRECTORY");

	if (!folders || folders[0] != '/')
		return NULL;
	/* One below: systemd gives the folder itself back to root at each start. */
	return memory_format("%.*s/debuginfod", (int)strcspn(folders, ":"), folders);
}

char *fetch_cache_wanted(const char *path)
{
	if (!path)
		path = getenv("DEBUGINFOD_CACHE_PATH");
	return path && *path ? memory_copy_text(path, strlen(path)) : service_folder();
}

/*
 * Whether only root and user can change what is in folder; is_last: and cannot take its place
 * either. In a sticky folder (/var/tmp) others can add entries, but not replace ours.
 */
static int is_safe(const char *folder, uid_t user, int is_last)
{
	struct stat status;

	if (lstat(folder, &status) || !S_ISDIR(status.st_mode))
		return 0;
	if (status.st_uid != 0 && status.st_uid != user)
		return 0;
	return !(status.st_mode & (S_IWGRP | S_IWOTH)) || (!is_last && status.st_mode & S_ISVTX);
}

/* The same for folder, an absolute path without symbolic links, and all above it. */
static int are_parents_safe(const char *folder, uid_t user)
{
	_cleanup_free_ char *path = memory_copy_text(folder, strlen(folder));

	for (char *end = path + strlen(path); end > path; end = strrchr(path, '/')) {
		*end = 0;
		if (*path && !is_safe(path, user, 0))
			return 0;
	}
	return is_safe("/", user, 0);
}

/* The folder that path lies in, resolved, and the rest of path. */
static int resolve_parent(const char *path, char parent[PATH_MAX], const char **name)
{
	_cleanup_free_ char *above = NULL;
	const char *slash = strrchr(path, '/');

	if (path[0] != '/' || !slash[1] || !strcmp(slash + 1, ".") || !strcmp(slash + 1, ".."))
		return -EINVAL;
	above = memory_format("%.*s/", (int)(slash - path), path);
	if (!realpath(above, parent))
		return -errno;
	*name = slash + 1;
	return 0;
}

static int open_named(struct fetch_cache *cache, const char *path, uid_t user, gid_t group)
{
	_cleanup_free_ char *result = NULL;
	char parent[PATH_MAX];
	struct stat status;
	const char *name = NULL;
	int error = resolve_parent(path, parent, &name);

	if (error)
		return error;
	if (!are_parents_safe(parent, user))
		return -EPERM;
	result = memory_format("%s/%s", strcmp(parent, "/") ? parent : "", name);
	if (!mkdir(result, 0700)) {
		if (lchown(result, user, group))
			return -errno;
	} else if (errno != EEXIST) {
		return -errno;
	}
	if (!is_safe(result, user, 1) || lstat(result, &status) || status.st_uid != user)
		return -EPERM;
	cache->path = steal_ptr(&result);
	return 0;
}

static int open_private(struct fetch_cache *cache, uid_t user, gid_t group)
{
	const char *const places[] = {getenv("TMPDIR"), "/var/tmp", "/tmp"};
	char place[PATH_MAX];
	int error = -EPERM;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path = NULL;

		if (!places[i] || !realpath(places[i], place) || !are_parents_safe(place, user))
			continue;
		path = memory_format("%s/flamed-debuginfod-XXXXXX", place);
		if (!mkdtemp(path)) {
			error = -errno;
			continue;
		}
		if (lchown(path, user, group)) {
			error = -errno;
			rmdir(path);
			continue;
		}
		*cache = (struct fetch_cache){steal_ptr(&path), 1};
		return 0;
	}
	return error;
}

int fetch_cache_open(struct fetch_cache *cache, const char *path, uid_t user, gid_t group)
{
	_cleanup_free_ char *wanted = fetch_cache_wanted(path);

	return wanted ? open_named(cache, wanted, user, group) : open_private(cache, user, group);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *position)
{
	(void)status;
	(void)type;
	(void)position;
	(void)remove(path);
	return 0;
}

void fetch_cache_close(struct fetch_cache *cache)
{
	if (cache->path && cache->is_private)
		nftw(cache->path, remove_entry, MAX_OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(cache->path);
	*cache = (struct fetch_cache){0};
}
