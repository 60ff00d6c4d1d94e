/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the functions of an allocator in a file, and where to probe each (allocator.h).
 */
#ifndef FLAME_DAEMON_ELF_ALLOCATOR_READER_H
#define FLAME_DAEMON_ELF_ALLOCATOR_READER_H

#include <stddef.h>

#include "daemon/elf/allocator.h"

struct elf_file;

/*
 * Write the functions into functions, HEAP_MAX_SITES of them at most; returns how many. Errors:
 * -ENOENT the file is no allocator, -ENOTSUP it is for another kind of machine.
 */
must_check int allocator_find(const struct elf_file *file, struct allocator_function *functions);

/* Do so for the file in fd; *answer becomes a sealed memfd: Owned (close). */
must_check int allocator_reader_read(int fd, int *answer);

#endif
