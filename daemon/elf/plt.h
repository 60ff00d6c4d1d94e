/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names for procedure linkage entries: the few instructions that jump to a function of another
 * module have no symbol, so "read@plt" is made up from the relocation of the pointer they jump
 * through. Entries are decoded, not counted, so it does not matter how the linker laid them out
 * (.plt, .plt.sec, .plt.got, with or without endbr64). x86-64; other machines get no such names.
 */
#ifndef FLAME_DAEMON_ELF_PLT_H
#define FLAME_DAEMON_ELF_PLT_H

#include <stddef.h>
#include <stdint.h>

#include "common/intern.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/symbol_table.h"

#define PLT_MAX_ENTRIES (UINT32_C(1) << 20)

/* A pointer in the global offset table and the function it will point to. */
struct plt_slot {
	uint64_t address;
	const char *name; /* in the file's strings */
	size_t name_length;
};

struct plt {
	struct plt_slot *slots; /* by address */
	size_t slot_count;
	size_t slot_capacity;
	struct intern names; /* made-up names; they live until plt_fini() */
};

/*
 * Add a symbol to table for each entry of file's linkage tables. The names in table are borrowed
 * from file and from plt, which is initialised here.
 */
void plt_read(struct plt *plt, const struct elf_file *file, struct symbol_table *table);

/* Accepts one that is all zero. */
void plt_fini(struct plt *plt);

#endif
