/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/file_search.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/elf/module_image.h"

void file_search_clear(struct file_search *search)
{
	for (uint32_t i = 0; i < search->count; i++)
		free(search->paths[i]);
	*search = (struct file_search){0};
}

void file_search_add(struct file_search *search, char *path)
{
	if (search->count == FILE_SEARCH_PATHS) {
		free(path);
		return;
	}
	search->paths[search->count++] = path;
}

void file_search_add_build_id(struct file_search *search, const uint8_t *build_id, uint32_t length)
{
	char id[2 * MODULE_BUILD_ID_MAX + 1];

	if (length < 2 || length > MODULE_BUILD_ID_MAX)
		return;
	for (uint32_t i = 0; i < length; i++)
		snprintf(id + 2 * i, 3, "%02x", build_id[i]);
	file_search_add(search, memory_format(FILE_SEARCH_DEBUG_ROOT "/.build-id/%.2s/%s.debug", id,
					      id + 2));
}

int file_search_try(struct file_search *search, struct broker_client *broker,
		    struct broker_request *request, broker_done *done, void *context)
{
	while (search->next < search->count) {
		const char *path = search->paths[search->next++];

		if (broker_request_set_path(request, path, strlen(path)))
			continue;
		broker_client_send(broker, request, done, context);
		return 1;
	}
	return 0;
}

/* The path was not there for the process: a machine's own debug files serve as well. */
static int open_under_own_root(const char *path)
{
	static const char folder[] = FILE_SEARCH_DEBUG_ROOT "/";

	if (strncmp(path, folder, strlen(folder)) != 0 || strstr(path, "/../"))
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

int file_search_take(const struct file_search *search, const int *fds, size_t fd_count)
{
	const char *path = file_search_path(search);

	if (fd_count == 1)
		return fds[0];
	return path ? open_under_own_root(path) : -1;
}

const char *file_search_path(const struct file_search *search)
{
	return search->next ? search->paths[search->next - 1] : NULL;
}
