/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder that fetched debug files are kept in. Nobody but root and flamed's own user may be
 * able to write there: what a target could put into it would name the functions of others. Made by
 * main() while it is root, used by the fetcher, removed at the end where it was made for this run.
 */
#ifndef FLAME_DAEMON_FETCH_FETCH_CACHE_H
#define FLAME_DAEMON_FETCH_FETCH_CACHE_H

#include <sys/types.h>

#include "common/memory.h"

/* Zero-initialised is a cache that is not open: nothing is fetched. */
struct fetch_cache {
	char *path;     /* absolute, without symbolic links. Owned */
	int is_private; /* made for this run: files do not stay in it, and it is removed */
};

/*
 * Open the folder for user: path where it is given, else what DEBUGINFOD_CACHE_PATH or systemd's
 * CACHE_DIRECTORY say, else a new one under TMPDIR or /var/tmp. A folder that is missing is made,
 * its parents are not. Errors: -EPERM when others could write to it or to a folder above it.
 */
must_check int fetch_cache_open(struct fetch_cache *cache, const char *path, uid_t user,
				gid_t group);

/* Remove a private folder and all that is in it; accepts a cache that is not open. */
void fetch_cache_close(struct fetch_cache *cache);

/* Which folder was asked for, for a message; NULL: none was. Owned (free). */
char *fetch_cache_wanted(const char *path);

#endif
