/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks source lines and inlined functions up in DWARF 2 to 5, through libdw. The debug sections
 * are mapped, not read: they are large and little of them is looked at. A file that shrinks
 * meanwhile ends the reader.
 */
#ifndef FLAME_DAEMON_ELF_LINE_READER_H
#define FLAME_DAEMON_ELF_LINE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

/* Entries of the debug information that one request may visit: seconds of work. */
#define LINE_READER_MAX_VISITS (UINT32_C(20) << 20)

struct line_files {
	int file;      /* the ELF file that is mapped */
	int debug;     /* its debug file, -1: none */
	int alternate; /* the file named in .gnu_debugaltlink, -1: none */
};

/*
 * Look up count offsets in the file and write the answer (lines.h) to a sealed memfd *answer.
 * Owned (close). Errors: -ENODATA there is no debug information, -E2BIG too many offsets, or as
 * elf_file_open().
 */
must_check int line_reader_read(const struct line_files *files, const uint64_t *offsets,
				size_t count, int *answer);

#endif
