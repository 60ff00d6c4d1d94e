/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf-PID.map: text by which compilers at run time name the code they make, a line "START SIZE
 * NAME" with hexadecimal numbers for each piece. It only ever grows; when memory is used again the
 * later line counts. The reader makes a module image of it in which offsets are addresses.
 */
#ifndef FLAME_DAEMON_ELF_PERF_MAP_H
#define FLAME_DAEMON_ELF_PERF_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/elf/symbol_table.h"

#define PERF_MAP_MAX_BYTES (UINT64_C(128) << 20)

/*
 * Add the lines of text, of size bytes, to table, which has to be empty, and finish it. Lines that
 * make no sense are left out, and so is a last line without its end: it is still being written.
 * Borrows nothing. Returns the number of lines left out, the unfinished one not counted.
 */
uint32_t perf_map_parse(const char *text, size_t size, struct symbol_table *table);

/* Make a sealed image *image_fd of the file in fd. Owned (close). Errors: -E2BIG, -EINVAL. */
must_check int perf_map_read(int fd, int *image_fd);

#endif
