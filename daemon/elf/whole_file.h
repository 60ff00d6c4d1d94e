/* SPDX-License-Identifier: Apache-2.0 */
/* A file taken into memory as a whole, never mapped: it may shrink meanwhile. */
#ifndef FLAME_DAEMON_ELF_WHOLE_FILE_H
#define FLAME_DAEMON_ELF_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

/*
 * Read the regular file in fd from its start to the end it has now. Owned (free) *bytes.
 * Errors: -EINVAL not a regular file, -E2BIG more than most bytes, or that of a read.
 */
must_check int whole_file_read(int fd, uint64_t most, char **bytes, size_t *size);

#endif
