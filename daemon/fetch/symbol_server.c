/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/fetch/symbol_server.h"

#include <dlfcn.h>
#include <elf.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/fetch/fetch_cache.h"
#include "daemon/fetch/fetch_message.h"

/* What has to stay free on the cache's file system when the largest file has come. */
#define MIN_FREE_BYTES (UINT64_C(256) << 20)

struct symbol_server {
	debuginfod_client *client;
	const struct fetch_cache *cache;
	int (*is_cancelled)(void *context);
	void *context;
	uint64_t end_ns;
	uint64_t most_bytes;
	int stopped; /* why the fetch under way was ended, negative errno; 0: it was not */
};

/* One library a process; its callback finds its way back through it too. */
static struct {
	void *handle;
	__typeof__(debuginfod_begin) *begin;
	__typeof__(debuginfod_end) *end;
	__typeof__(debuginfod_find_debuginfo) *find_debuginfo;
	__typeof__(debuginfod_set_progressfn) *set_progressfn;
	__typeof__(debuginfod_set_user_data) *set_user_data;
	__typeof__(debuginfod_get_user_data) *get_user_data;
} library;

static const struct {
	const char *name;
	void *pointer;
} functions[] = {
	{"debuginfod_begin", &library.begin},
	{"debuginfod_end", &library.end},
	{"debuginfod_find_debuginfo", &library.find_debuginfo},
	{"debuginfod_set_progressfn", &library.set_progressfn},
	{"debuginfod_set_user_data", &library.set_user_data},
	{"debuginfod_get_user_data", &library.get_user_data},
};

static int load_library(void)
{
	if (library.handle)
		return 0;
	void *handle = dlopen(DEBUGINFOD_SONAME, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return -ELIBACC;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		void *address = dlsym(handle, functions[i].name);

		if (!address) {
			dlclose(handle);
			return -ELIBACC;
		}
		memcpy(functions[i].pointer, &address, sizeof(address));
	}
	library.handle = handle;
	return 0;
}

/*
 * The library takes its limits from the environment alone. What is set there counts when it is
 * stricter. Returns what is in force.
 */
static uint64_t set_limit(const char *name, uint64_t most)
{
	const char *text = getenv(name);
	char *end = NULL;
	uint64_t value = text ? strtoull(text, &end, 10) : 0;
	char number[24];

	if (value && !*end && value <= most)
		return value;
	snprintf(number, sizeof(number), "%llu", (unsigned long long)most);
	setenv(name, number, 1);
	return most;
}

static void set_environment(struct symbol_server *server)
{
	setenv(DEBUGINFOD_CACHE_PATH_ENV_VAR, server->cache->path, 1);
	server->most_bytes = set_limit(DEBUGINFOD_MAXSIZE_ENV_VAR, SYMBOL_SERVER_MAX_BYTES);
	set_limit(DEBUGINFOD_MAXTIME_ENV_VAR, FETCH_LIMIT_MS / 1000);
	set_limit(DEBUGINFOD_TIMEOUT_ENV_VAR, SYMBOL_SERVER_QUIET_S);
	/* These two have it write to standard error, into the log. */
	unsetenv(DEBUGINFOD_PROGRESS_ENV_VAR);
	unsetenv(DEBUGINFOD_VERBOSE_ENV_VAR);
}

/*
 * The library believes what a server announces; the kernel counts. The sandbox has set the hard
 * limit, and that a write beyond the soft one is an error and no signal.
 */
static int limit_files(const struct symbol_server *server)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit))
		return -errno;
	if (limit.rlim_cur > server->most_bytes)
		limit.rlim_cur = server->most_bytes;
	return setrlimit(RLIMIT_FSIZE, &limit) ? -errno : 0;
}

/*
 * done is the number of bytes that came, or of calls as long as none did. The size that a server
 * announces is judged by the library; one that announces none is judged here.
 */
static int on_progress(debuginfod_client *client, long done, long total)
{
	struct symbol_server *server = library.get_user_data(client);

	(void)total;
	if (server->is_cancelled(server->context))
		server->stopped = -ECANCELED;
	else if (clock_boot_ns() > server->end_ns)
		server->stopped = -ETIMEDOUT;
	else if (done > 0 && (uint64_t)done > server->most_bytes)
		server->stopped = -EFBIG;
	return server->stopped;
}

int symbol_server_open(struct symbol_server **result, const struct fetch_cache *cache,
		       int (*is_cancelled)(void *context), void *context)
{
	_cleanup_(symbol_server_closep) struct symbol_server *server = NULL;
	int error = load_library();

	if (error)
		return error;
	server = memory_new(sizeof(*server));
	server->cache = cache;
	server->is_cancelled = is_cancelled;
	server->context = context;
	set_environment(server);
	error = limit_files(server);
	if (error)
		return error;
	server->client = library.begin();
	if (!server->client)
		return -ENOMEM;
	library.set_user_data(server->client, server);
	library.set_progressfn(server->client, on_progress);
	*result = steal_ptr(&server);
	return 0;
}

void symbol_server_close(struct symbol_server *server)
{
	if (!server)
		return;
	if (server->client)
		library.end(server->client);
	free(server);
}

/* A cache must not be what fills a disk. */
static int has_room(const struct symbol_server *server)
{
	struct statvfs status;

	return statvfs(server->cache->path, &status) ||
	       (uint64_t)status.f_bavail * status.f_frsize >= server->most_bytes + MIN_FREE_BYTES;
}

/* A portal that answers everything with a page of its own is more common than a forger. */
static int is_elf_file(int fd)
{
	unsigned char magic[SELFMAG];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       !memcmp(magic, ELFMAG, SELFMAG);
}

/* Remove a file from the cache and, if it was the last, the folder that the library made for it. */
static void forget(char *path)
{
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
}

/* Open what was fetched afresh: the library's descriptor may be one to write with. */
static int open_fetched(const struct symbol_server *server, char *path, int *result)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat status;

	if (fd < 0 || fstat(fd, &status))
		return -errno;
	int is_good = S_ISREG(status.st_mode) && is_elf_file(fd);
	if (!is_good || server->cache->is_private)
		forget(path);
	if (!is_good)
		return -EBADMSG;
	*result = steal_fd(&fd);
	return 0;
}

int symbol_server_fetch(struct symbol_server *server, const uint8_t *build_id, size_t length,
			uint64_t limit_ms, int *result)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (length == 0 || length > FETCH_BUILD_ID_MAX)
		return -EINVAL;
	if (!has_room(server))
		return -ENOSPC;
	server->end_ns = clock_boot_ns() + limit_ms * NS_PER_MS;
	server->stopped = 0;
	fd = library.find_debuginfo(server->client, build_id, (int)length, &path);
	if (server->stopped)
		return server->stopped;
	if (fd < 0)
		return fd == -ETIME ? -ETIMEDOUT : fd;
	return path ? open_fetched(server, path, result) : -EIO;
}
