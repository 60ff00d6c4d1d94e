/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ELF file, opened through libelf for reading: its segments, sections and identity. The bytes
 * are hostile: every size is compared with a limit before it is allocated, and nothing is mapped
 * unless asked for, so a file that shrinks while it is read gives an error and no signal.
 */
#ifndef FLAME_DAEMON_ELF_ELF_FILE_H
#define FLAME_DAEMON_ELF_ELF_FILE_H

#include <gelf.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/elf/module_image.h"

#define ELF_FILE_MAX_SEGMENTS 4096
#define ELF_FILE_MAX_SECTIONS 65536
#define ELF_FILE_MAX_SECTION  (UINT64_C(512) << 20) /* bytes of a section that is read */

struct elf_section {
	const char *name; /* "" when it has none */
	GElf_Shdr header;
	Elf_Scn *handle;
};

/* Zero-initialised is a file that is not open. */
struct elf_file {
	Elf *handle;
	int fd;             /* borrowed; -1: the file is in memory */
	const void *memory; /* borrowed; NULL: the file is in fd */
	uint64_t size;      /* of the whole file, bytes */
	GElf_Ehdr header;
	struct elf_section *sections; /* by number; 0 is none */
	size_t section_count;
	struct module_segment *segments; /* executable ones, by file offset, not overlapping */
	size_t segment_count;
	int is_executable; /* a program, not a library */
};

/*
 * Open the regular file in fd, which stays the caller's and has to outlive the elf_file.
 * Errors: -ENOEXEC no ELF file of this machine's byte order, -E2BIG over a limit, -EINVAL not a
 * regular file.
 */
must_check int elf_file_open(struct elf_file *file, int fd);

/* The same, mapped instead of read: for large files, and a file that shrinks ends the process. */
must_check int elf_file_open_mapped(struct elf_file *file, int fd);

/* The same for size bytes at memory, borrowed and only read. */
must_check int elf_file_open_memory(struct elf_file *file, const void *memory, size_t size);

/* Release what was read; accepts a file that is not open. */
void elf_file_close(struct elf_file *file);

/* Return the first section of that name, or of that type (SHT_…). NULL when there is none. */
const struct elf_section *elf_file_find_section(const struct elf_file *file, const char *name);
const struct elf_section *elf_file_find_type(const struct elf_file *file, uint32_t type);

/* The section that section's sh_link names, or NULL. */
const struct elf_section *elf_file_linked(const struct elf_file *file,
					  const struct elf_section *section);

/*
 * Content of section, translated by libelf where its type asks for it. Borrowed (until close).
 * Errors: -ENODATA it takes no room in the file, -E2BIG, -EIO it lies outside the file.
 */
must_check int elf_section_read(const struct elf_section *section, Elf_Data **data);

/* File offset of an address in an executable segment. Errors: -ENOENT it is in none. */
must_check int elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset);

/*
 * Find where the bytes that are mapped at vaddr lie in the file, and how many follow in the same
 * segment, which need not be an executable one. Errors: -ENOENT.
 */
must_check int elf_file_locate(const struct elf_file *file, uint64_t vaddr, uint64_t *offset,
			       uint64_t *size);

/* Copy size bytes at offset. Errors: -EIO they do not lie in the file (any more). */
must_check int elf_file_read(const struct elf_file *file, uint64_t offset, void *bytes,
			     size_t size);

/* Copy the build ID, at most MODULE_BUILD_ID_MAX bytes. Returns its length, 0: there is none. */
uint32_t elf_file_build_id(const struct elf_file *file, uint8_t *build_id);

/* Copy the name in .gnu_debuglink, terminated, and its CRC. Errors: -ENOENT there is none. */
must_check int elf_file_debuglink(const struct elf_file *file, char name[MODULE_DEBUGLINK_MAX],
				  uint32_t *crc);

/* Copy the path and build ID in .gnu_debugaltlink. Errors: -ENOENT there is none. */
must_check int elf_file_altlink(const struct elf_file *file, char path[MODULE_DEBUGLINK_MAX],
				uint8_t *build_id, uint32_t *build_id_length);

#endif
