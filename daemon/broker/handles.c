/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/handles.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "daemon/broker/broker_message.h"

#define STAT_START_TIME 22 /* field of /proc/PID/stat, from 1 */
#define STAT_BYTES      1024
#define READ_FLAGS      (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static int open_relative(int folder, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .resolve = resolve};
	long fd = syscall(SYS_openat2, folder, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* Start time in ticks, from the text of /proc/PID/stat. The name in it may hold anything but 0. */
static int find_start_time(const char *text, uint64_t *ticks)
{
	const char *at = strrchr(text, ')');

	if (!at)
		return -ESRCH;
	/* Behind the name comes field 3; each field is preceded by one space. */
	for (int field = 2; field < STAT_START_TIME; field++) {
		at = strchr(at + 1, ' ');
		if (!at)
			return -ESRCH;
	}
	*ticks = strtoull(at + 1, NULL, 10);
	return 0;
}

/* Open the folder of the process that a request names. */
static int open_process(const struct broker_request *request, int *result)
{
	char text[STAT_BYTES];
	char path[32];
	uint64_t ticks;

	snprintf(path, sizeof(path), "/proc/%" PRIu32, request->pid);

	_cleanup_close_ int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	if (request->start_time_ns) {
		_cleanup_close_ int stat_fd = openat(folder, "stat", READ_FLAGS);
		ssize_t length = stat_fd < 0 ? -1 : read(stat_fd, text, sizeof(text) - 1);

		if (length < 0)
			return -ESRCH;
		text[length] = 0;
		if (find_start_time(text, &ticks) ||
		    ticks != request->start_time_ns / START_TIME_TICK_NS)
			return -ESRCH;
	}
	*result = steal_fd(&folder);
	return 0;
}

/* Copy the path of a request; it must be one without a zero in it. */
static int copy_path(const struct broker_request *request, char *path)
{
	if (!request->path_length || request->path_length >= BROKER_PATH_BYTES ||
	    memchr(request->path, 0, request->path_length))
		return -EINVAL;
	memcpy(path, request->path, request->path_length);
	path[request->path_length] = 0;
	return 0;
}

/*
 * Turn the place that an O_PATH descriptor stands for into an open file, if it is a regular one.
 * A FIFO would block, a device would act, FUSE would ask some process.
 */
static int open_place(int place, int *fd)
{
	char path[32];
	struct stat status;
	struct statfs filesystem;

	if (fstat(place, &status) || fstatfs(place, &filesystem))
		return -errno;
	if (!S_ISREG(status.st_mode) || filesystem.f_type == FUSE_SUPER_MAGIC)
		return -EMEDIUMTYPE;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", place);
	*fd = open(path, READ_FLAGS);
	return *fd < 0 ? -errno : 0;
}

/*
 * Whether the open file is what the kernel program saw. Size and time are 0 when they are not known:
 * /proc/PID/maps does not tell them.
 */
static int check_identity(int fd, const struct broker_request *request, int compare_inode)
{
	struct stat status;

	if (fstat(fd, &status))
		return -errno;
	if (compare_inode && status.st_ino != request->inode)
		return -ESTALE;
	if (!request->size && !request->mtime_s)
		return 0;
	return (uint64_t)status.st_size == request->size &&
			       status.st_mtim.tv_sec == request->mtime_s
		       ? 0
		       : -ESTALE;
}

int handles_open_mapped(const struct broker_request *request, int *fd)
{
	char name[64];
	_cleanup_close_ int folder = -1;
	int error = open_process(request, &folder);

	if (error)
		return error;
	snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, request->start,
		 request->end);

	_cleanup_close_ int place = openat(folder, name, O_PATH | O_CLOEXEC);

	return place < 0 ? -errno : open_place(place, fd);
}

/* The path from `start` on, which is the whole of it, or what its process saw. */
static int open_by_path(const struct broker_request *request, uint64_t start, int *fd)
{
	char path[BROKER_PATH_BYTES];
	int error = copy_path(request, path);

	if (!error && start >= request->path_length)
		error = -EINVAL;
	if (error)
		return error;

	_cleanup_close_ int place =
		open_relative(AT_FDCWD, path + start, O_PATH | O_CLOEXEC, RESOLVE_NO_MAGICLINKS);

	return place < 0 ? place : open_place(place, fd);
}

static int open_by_whole_path(const struct broker_request *request, int *fd)
{
	return open_by_path(request, 0, fd);
}

/* For a broker that lives under the same root as the process did. */
static int open_by_seen_path(const struct broker_request *request, int *fd)
{
	return open_by_path(request, request->value, fd);
}

int handles_open_module(const struct broker_request *request, int *fd)
{
	/* On overlayfs the mapped file may tell another inode than the kernel program sees. */
	static const struct {
		int (*open)(const struct broker_request *, int *);
		int compare_inode;
	} ways[] = {{handles_open_mapped, 0}, {open_by_whole_path, 1}, {open_by_seen_path, 1}};
	size_t way_count = request->value ? ARRAY_SIZE(ways) : ARRAY_SIZE(ways) - 1;
	int error = -ENOENT;

	if (request->filesystem == FUSE_SUPER_MAGIC)
		return -EMEDIUMTYPE;
	for (size_t i = 0; i < way_count; i++) {
		_cleanup_close_ int candidate = -1;

		error = ways[i].open(request, &candidate);
		if (!error)
			error = check_identity(candidate, request, ways[i].compare_inode);
		if (error)
			continue;
		*fd = steal_fd(&candidate);
		return 0;
	}
	return error;
}

int handles_open_in_root(const struct broker_request *request, int *fd)
{
	char path[BROKER_PATH_BYTES];
	_cleanup_close_ int process = -1, root = -1, place = -1;
	int error = copy_path(request, path);

	if (!error)
		error = open_process(request, &process);
	if (error)
		return error;
	root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	place = open_relative(root, path, O_PATH | O_CLOEXEC,
			      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	return place < 0 ? place : open_place(place, fd);
}

int handles_open_proc(const struct broker_request *request, int *fd)
{
	static const char *const names[BROKER_PROC_FILE_COUNT] = {
		[BROKER_PROC_STAT] = "stat",
		[BROKER_PROC_STATUS] = "status",
		[BROKER_PROC_CGROUP] = "cgroup",
		[BROKER_PROC_MAPS] = "maps",
	};
	_cleanup_close_ int process = -1;
	int error;

	if (request->value >= ARRAY_SIZE(names))
		return -EINVAL;
	error = open_process(request, &process);
	if (error)
		return error;
	*fd = openat(process, names[request->value], READ_FLAGS);
	return *fd < 0 ? -errno : 0;
}

int handles_open_kallsyms(const struct broker_request *request, int *fd)
{
	(void)request;
	*fd = open("/proc/kallsyms", READ_FLAGS);
	return *fd < 0 ? -errno : 0;
}

int handles_check_process(const struct broker_request *request)
{
	_cleanup_close_ int folder = -1;

	return open_process(request, &folder);
}
