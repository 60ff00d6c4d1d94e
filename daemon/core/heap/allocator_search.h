/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the allocator of a process by what it maps: each file that it runs code of is opened by the
 * broker and looked through by the elf reader, one after the other. More than one may define malloc
 * (a library that replaces the C library's): all are told, for only calls tell which is used.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_ALLOCATOR_SEARCH_H
#define FLAME_DAEMON_CORE_HEAP_ALLOCATOR_SEARCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"
#include "daemon/core/unwinding/process_maps.h"
#include "daemon/elf/allocator.h"

#define ALLOCATOR_SEARCH_MAX_FILES 4    /* that are allocators */
#define ALLOCATOR_SEARCH_MAX_MAPS  8192 /* that are looked at */

struct broker_client;
struct worker_client;
struct allocator_search;

/* A file that defines an allocator. */
struct allocator_file {
	int fd;
	struct process_map map; /* the first mapping of its code */
	struct allocator_function functions[HEAP_MAX_SITES];
	size_t count;
};

/*
 * Result of a search: error is 0 or -ENOENT (nothing that the process maps is an allocator with
 * symbols), -ESRCH. files are borrowed for the call, their descriptors too.
 */
typedef void allocator_search_done(void *context, int error, const struct allocator_file *files,
				   size_t count);

/* Search in process (pid, start_time_ns); done is called once, after the return. */
struct allocator_search *allocator_search_start(struct broker_client *broker,
						struct worker_client *reader, uint32_t pid,
						uint64_t start_time_ns, allocator_search_done *done,
						void *context);

/* Give up; done is not called any more. NULL is accepted. */
void allocator_search_cancel(struct allocator_search *search);

/* Address in the process of an offset in the file; 0: its code is not mapped there. */
uint64_t allocator_file_address(const struct allocator_file *file, uint64_t offset);

#endif
