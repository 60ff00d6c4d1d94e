/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF file inside an ELF file: .gnu_debugdata is an xz-compressed file that holds nothing but a
 * symbol table, which some distributions keep in stripped programs.
 */
#ifndef FLAME_DAEMON_ELF_MINI_DEBUG_H
#define FLAME_DAEMON_ELF_MINI_DEBUG_H

#include <stdint.h>

#include "daemon/elf/elf_file.h"

#define MINI_DEBUG_MAX_BYTES    (UINT32_C(128) << 20) /* decompressed */
#define MINI_DEBUG_MAX_DECODING (UINT64_C(128) << 20) /* memory the decoder may take */

/* Zero-initialised is closed. */
struct mini_debug {
	struct elf_file file;
	uint8_t *bytes; /* the content of file */
};

/* Decompress the section of outer. Errors: -ENOENT there is none, -EBADMSG, -E2BIG, -ENOEXEC. */
must_check int mini_debug_open(struct mini_debug *mini, const struct elf_file *outer);

/* Release the decompressed file; accepts one that is closed. */
void mini_debug_close(struct mini_debug *mini);

#endif
