/* SPDX-License-Identifier: Apache-2.0 */
/* A memfd that nobody can change any more, mapped read-only: how answers of the elf reader travel.
 * Without the seals the bytes that were checked might not be the bytes that are used later. */
#ifndef FLAME_DAEMON_ELF_SEALED_FILE_H
#define FLAME_DAEMON_ELF_SEALED_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define SEALED_FILE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL)

/*
 * Map the whole of fd, which stays the caller's and holds between least and most bytes. Owned
 * (munmap) *memory. Errors: -EBADMSG not sealed, or of another size.
 */
must_check int sealed_file_map(int fd, uint64_t least, uint64_t most, void **memory, size_t *size);

#endif
