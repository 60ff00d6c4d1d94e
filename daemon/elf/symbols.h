/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the names of a module come from: .symtab of the file itself or of its debug file, the small
 * table in .gnu_debugdata, .dynsym, and names made up for procedure linkage entries ("read@plt").
 * All end up in one symbol_table, by offset in the file that is mapped.
 */
#ifndef FLAME_DAEMON_ELF_SYMBOLS_H
#define FLAME_DAEMON_ELF_SYMBOLS_H

#include <stdint.h>

#include "daemon/elf/elf_file.h"
#include "daemon/elf/symbol_table.h"

/*
 * Make the symbols of file. debug may be NULL, or a file that belongs to it (debug_file.h).
 * *flags gets the enum module_flag that say where symbols came from, *skipped the number of
 * symbols that made no sense. Borrows nothing: the table is finished.
 */
void symbols_read(const struct elf_file *file, const struct elf_file *debug,
		  struct symbol_table *table, uint32_t *flags, uint32_t *skipped);

#endif
