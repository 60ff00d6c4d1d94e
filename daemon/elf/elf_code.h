/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of an ELF file for who follows it (leave_sites.h): functions are where the call frame
 * information says so, jumps through the linkage tables end where the file's own relocations say.
 */
#ifndef FLAME_DAEMON_ELF_ELF_CODE_H
#define FLAME_DAEMON_ELF_ELF_CODE_H

#include "common/cleanup.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/function_list.h"
#include "daemon/elf/leave_sites.h"

#define ELF_CODE_MAX_RESOLVED    512                  /* pointers that are looked up */
#define ELF_CODE_MAX_RELOCATIONS (UINT32_C(64) << 20) /* that are looked at, for all of them */

/* Zero-initialised is one that may be released. */
struct elf_code {
	const struct elf_file *file; /* borrowed */
	struct function_list functions;
	uint32_t resolved_count;
	uint32_t relocation_count;
};

void elf_code_init(struct elf_code *code, const struct elf_file *file);
void elf_code_fini(struct elf_code *code);

/* What reads from code, which is borrowed. */
struct code_source elf_code_source(struct elf_code *code);

#endif
