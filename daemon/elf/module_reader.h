/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the module image of one ELF file: everything that names and walks its code. */
#ifndef FLAME_DAEMON_ELF_MODULE_READER_H
#define FLAME_DAEMON_ELF_MODULE_READER_H

#include <stdint.h>

#include "daemon/elf/elf_file.h"

/*
 * Read the ELF file in fd and, unless debug_fd is negative, its separate debug file, into a sealed
 * image *image_fd. Owned (close). want: enum reader_flag. Errors: as elf_file_open() for fd; a debug
 * file that cannot be used only sets MODULE_DEBUG_REFUSED.
 */
must_check int module_reader_read(int fd, int debug_fd, uint32_t want, int *image_fd);

/* The same for a file in memory; debug may be NULL. */
must_check int module_reader_read_file(const struct elf_file *file, const struct elf_file *debug,
				       uint32_t want, int *image_fd);

/* The same for this process's own vdso. Errors: -ENOENT the kernel gave none. */
must_check int module_reader_read_vdso(uint32_t want, int *image_fd);

#endif
