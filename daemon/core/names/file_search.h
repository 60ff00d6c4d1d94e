/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places where a file that belongs to a module may be, tried in turn: each first under the root of
 * the process that mapped the module (through the broker), then, for the folder of debug files,
 * under our own. At most FILE_SEARCH_PATHS. Whether what is found is the right file is for the elf
 * reader to see.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_FILE_SEARCH_H
#define FLAME_DAEMON_CORE_NAMES_FILE_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"
#include "daemon/core/workers/broker_client.h"

#define FILE_SEARCH_DEBUG_ROOT "/usr/lib/debug"
#define FILE_SEARCH_PATHS      4

/* Zero-initialised is a search without places. */
struct file_search {
	char *paths[FILE_SEARCH_PATHS];
	uint32_t count;
	uint32_t next; /* the one before is the one that is tried */
};

/* Forget all places. */
void file_search_clear(struct file_search *search);

/* Add a place. Takes path. */
void file_search_add(struct file_search *search, char *path);

/* Add the place where the debug file of that build ID is. */
void file_search_add_build_id(struct file_search *search, const uint8_t *build_id, uint32_t length);

/*
 * Have the next place opened in the process that request names; done is given what the broker says.
 * Returns zero when there is none left.
 */
must_check int file_search_try(struct file_search *search, struct broker_client *broker,
			       struct broker_request *request, broker_done *done, void *context);

/* In done: the descriptor that the broker sent, or else of our own file. Owned; -1: there is none. */
int file_search_take(const struct file_search *search, const int *fds, size_t fd_count);

/* Path of the place that was tried last, NULL: none was. Borrowed (until clear). */
const char *file_search_path(const struct file_search *search);

#endif
