/* SPDX-License-Identifier: Apache-2.0 */
/* A section of symbols with its names and versions, as it stands in a file. */
#ifndef FLAME_DAEMON_ELF_SYMBOL_SECTION_H
#define FLAME_DAEMON_ELF_SYMBOL_SECTION_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/elf/elf_file.h"

#define SYMBOL_MAX_NAME 32768 /* bytes; longer names are cut */

/* Borrows from its file. Zero-initialised is one without symbols. */
struct symbol_section {
	Elf_Data *symbols;
	size_t count;
	const char *names;
	size_t names_bytes;
	const GElf_Half *versions; /* of the symbol with the same number */
	size_t version_count;
};

struct symbol_name {
	const char *text; /* not terminated */
	size_t length;    /* 0: the symbol has no name */
	int is_old_version;
};

/* Open section, which may be NULL. Errors: -ENOENT it holds no symbols with names. */
must_check int symbol_section_open(struct symbol_section *symbols, const struct elf_file *file,
				   const struct elf_section *section);

/* Copy symbol number index, from 1. Errors: -ENOENT there is none. */
must_check int symbol_section_get(const struct symbol_section *symbols, size_t index,
				  GElf_Sym *symbol);

/*
 * The name of symbol number index without its version. "name@VERSION" is an old version kept for
 * old programs, "name@@VERSION" the current one; in .dynsym versions stand in a table of their own.
 * Errors: -EBADMSG the name lies outside of the names.
 */
must_check int symbol_section_name(const struct symbol_section *symbols, size_t index,
				   const GElf_Sym *symbol, struct symbol_name *name);

#endif
