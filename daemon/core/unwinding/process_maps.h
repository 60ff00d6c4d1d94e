/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that a process runs code of, from the text of its /proc/PID/maps: asked for once, when
 * the functions of its allocator are looked for. Names of files are not looked at; a target can
 * choose them.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_PROCESS_MAPS_H
#define FLAME_DAEMON_CORE_UNWINDING_PROCESS_MAPS_H

#include <stddef.h>
#include <stdint.h>

#define PROCESS_MAPS_MAX_BYTES (4U << 20)

/* A mapping of code from a file. */
struct process_map {
	uint64_t start;
	uint64_t end;
	uint64_t offset; /* in the file, of start */
	uint64_t inode;
	uint32_t device_major;
	uint32_t device_minor;
};

/*
 * Write the mappings of code in length bytes of text into maps, capacity of them at most. Returns how
 * many there are. Lines that make no sense are left out.
 */
size_t process_maps_parse(const char *text, size_t length, struct process_map *maps,
			  size_t capacity);

/* Whether both are of the same file. */
int process_map_is_same_file(const struct process_map *one, const struct process_map *other);

#endif
