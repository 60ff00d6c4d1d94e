/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/allocator_search.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"

#define MAX_ATTEMPTS 3 /* to look at a file */

struct allocator_search {
	struct broker_client *broker;
	struct worker_client *reader;
	uint32_t pid;
	uint64_t start_time_ns;
	allocator_search_done *done; /* NULL: cancelled */
	void *context;
	struct process_map *maps; /* one a file */
	size_t map_count;
	size_t next_map;
	int attempts; /* to look at the file at hand */
	int fd;       /* of it */
	struct allocator_file files[ALLOCATOR_SEARCH_MAX_FILES];
	size_t file_count;
};

static void free_search(struct allocator_search *search)
{
	for (size_t i = 0; i < search->file_count; i++)
		close(search->files[i].fd);
	if (search->fd >= 0)
		close(search->fd);
	free(search->maps);
	free(search);
}

/* Is somebody still waiting? The search goes with the last that is under way for it. */
static int is_over(struct allocator_search *search, int error)
{
	if (search->done && error != -ECANCELED)
		return 0;
	free_search(search);
	return 1;
}

static void finish(struct allocator_search *search, int error)
{
	search->done(search->context, error, search->files, search->file_count);
	free_search(search);
}

static void look_at_next(struct allocator_search *search);

/* Take over the answer of the reader, who is not trusted. */
static void take_functions(struct allocator_search *search, int memfd)
{
	struct allocator_file *file = &search->files[search->file_count];
	ssize_t size = pread(memfd, file->functions, sizeof(file->functions), 0);

	if (size < (ssize_t)sizeof(file->functions[0]) ||
	    search->file_count == ALLOCATOR_SEARCH_MAX_FILES)
		return;
	file->count = (size_t)size / sizeof(file->functions[0]);
	for (size_t i = 0; i < file->count; i++) {
		file->functions[i].name[ALLOCATOR_NAME_BYTES - 1] = 0;
		if (file->functions[i].function >= HEAP_FUNCTION_COUNT)
			return;
	}
	file->map = search->maps[search->next_map - 1];
	file->fd = steal_fd(&search->fd);
	search->file_count++;
}

/* On a busy machine files are opened and read too late: the allocator's may be among them. */
static int is_worth_another(struct allocator_search *search, int error)
{
	if (error != -ETIMEDOUT && error != -EIO)
		search->attempts = 0;
	else if (++search->attempts < MAX_ATTEMPTS)
		return 1;
	search->attempts = 0;
	return 0;
}

static void on_read(void *context, int error, int memfd)
{
	struct allocator_search *search = context;

	if (is_over(search, error)) {
		if (memfd >= 0)
			close(memfd);
		return;
	}
	if (is_worth_another(search, error)) {
		search->next_map--;
	} else if (memfd >= 0) {
		if (search->file_count < ALLOCATOR_SEARCH_MAX_FILES)
			take_functions(search, memfd);
		close(memfd);
	}
	look_at_next(search);
}

static void on_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct allocator_search *search = context;

	if (fd_count == 1)
		search->fd = fds[0];
	if (is_over(search, error))
		return;
	int copy = fd_count == 1 ? fcntl(search->fd, F_DUPFD_CLOEXEC, 3) : -1;
	if (copy < 0 && is_worth_another(search, error))
		search->next_map--;
	if (copy < 0)
		look_at_next(search);
	else
		reader_client_send(search->reader, READER_ALLOCATOR, 0, &copy, 1, on_read, search);
}

static void look_at_next(struct allocator_search *search)
{
	const struct process_map *map = &search->maps[search->next_map];
	struct broker_request request = {
		.type = BROKER_OPEN_MAPPED,
		.pid = search->pid,
		.start_time_ns = search->start_time_ns,
	};

	if (search->fd >= 0)
		close(steal_fd(&search->fd));
	if (search->next_map == search->map_count) {
		finish(search, search->file_count ? 0 : -ENOENT);
		return;
	}
	request.start = map->start;
	request.end = map->end;
	search->next_map++;
	broker_client_send(search->broker, &request, on_opened, search);
}

/* One mapping a file: the lowest one that is code. */
static void keep_one_each(struct allocator_search *search)
{
	size_t kept = 0;

	for (size_t i = 0; i < search->map_count; i++) {
		size_t j = 0;

		while (j < kept && !process_map_is_same_file(&search->maps[j], &search->maps[i]))
			j++;
		if (j == kept)
			search->maps[kept++] = search->maps[i];
	}
	search->map_count = kept;
}

static int read_maps(struct allocator_search *search, int fd)
{
	_cleanup_free_ char *text = memory_new(PROCESS_MAPS_MAX_BYTES);
	size_t length = 0;
	ssize_t count;

	while (length < PROCESS_MAPS_MAX_BYTES &&
	       (count = read(fd, text + length, PROCESS_MAPS_MAX_BYTES - length)) > 0)
		length += (size_t)count;
	search->maps = memory_new(ALLOCATOR_SEARCH_MAX_MAPS * sizeof(*search->maps));
	search->map_count =
		process_maps_parse(text, length, search->maps, ALLOCATOR_SEARCH_MAX_MAPS);
	keep_one_each(search);
	return search->map_count ? 0 : -ESRCH;
}

static void on_maps_opened(void *context, int error, const int *fds, size_t fd_count)
{
	struct allocator_search *search = context;
	_cleanup_close_ int fd = fd_count == 1 ? fds[0] : -1;

	if (is_over(search, error))
		return;
	if (fd < 0)
		error = -ESRCH;
	else
		error = read_maps(search, fd);
	if (error)
		finish(search, error);
	else
		look_at_next(search);
}

struct allocator_search *allocator_search_start(struct broker_client *broker,
						struct worker_client *reader, uint32_t pid,
						uint64_t start_time_ns, allocator_search_done *done,
						void *context)
{
	struct allocator_search *search = memory_new(sizeof(*search));
	struct broker_request request = {
		.type = BROKER_OPEN_PROC,
		.pid = pid,
		.start_time_ns = start_time_ns,
		.value = BROKER_PROC_MAPS,
	};

	search->broker = broker;
	search->reader = reader;
	search->pid = pid;
	search->start_time_ns = start_time_ns;
	search->done = done;
	search->context = context;
	search->fd = -1;
	broker_client_send(broker, &request, on_maps_opened, search);
	return search;
}

void allocator_search_cancel(struct allocator_search *search)
{
	if (search)
		search->done = NULL;
}

uint64_t allocator_file_address(const struct allocator_file *file, uint64_t offset)
{
	const struct process_map *map = &file->map;

	if (offset < map->offset || offset - map->offset >= map->end - map->start)
		return 0;
	return map->start + (offset - map->offset);
}
