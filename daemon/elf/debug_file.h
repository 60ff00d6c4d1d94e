/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a separate debug file belongs to a module: it carries the same build ID or, where there
 * are none, the checksum that the module's .gnu_debuglink names. */
#ifndef FLAME_DAEMON_ELF_DEBUG_FILE_H
#define FLAME_DAEMON_ELF_DEBUG_FILE_H

#include "daemon/elf/elf_file.h"

/* Non-zero when debug, open on a descriptor, was made from the same program as file. */
int debug_file_belongs(const struct elf_file *debug, const struct elf_file *file);

#endif
