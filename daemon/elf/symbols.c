/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/symbols.h"

#include <string.h>

#include "daemon/elf/mini_debug.h"
#include "daemon/elf/plt.h"
#include "daemon/elf/symbol_section.h"

/* One symbol section while it is read. */
struct symbol_source {
	const struct elf_file *main; /* the file that is mapped: its segments count */
	const struct elf_file *file; /* the file the symbols are in */
	struct symbol_section section;
	struct symbol_table *table;
	uint32_t skipped;
};

/* Symbols that mark places for tools and are no names for people. */
static int is_marker(const struct elf_file *file, const char *name, size_t length)
{
	GElf_Half machine = file->header.e_machine;

	if (length > 2 && name[0] == '.' && name[1] == 'L')
		return 1; /* a label the assembler should not have kept */
	return length && name[0] == '$' &&
	       (machine == EM_AARCH64 || machine == EM_ARM || machine == EM_RISCV);
}

/* Return the section the symbol is in, when that holds code. */
static const struct elf_section *code_section(const struct symbol_source *source,
					      const GElf_Sym *symbol)
{
	const struct elf_section *section;

	if (symbol->st_shndx == SHN_UNDEF || symbol->st_shndx >= source->file->section_count)
		return NULL;
	section = &source->file->sections[symbol->st_shndx];
	return section->header.sh_flags & SHF_EXECINSTR ? section : NULL;
}

static enum symbol_binding binding_of(const GElf_Sym *symbol)
{
	switch (GELF_ST_BIND(symbol->st_info)) {
	case STB_GLOBAL:
	case STB_GNU_UNIQUE:
		return SYMBOL_GLOBAL;
	case STB_WEAK:
		return SYMBOL_WEAK;
	default:
		return SYMBOL_LOCAL;
	}
}

static void add_symbol(struct symbol_source *source, const GElf_Sym *symbol, size_t index)
{
	const unsigned int type = GELF_ST_TYPE(symbol->st_info);
	struct symbol_candidate candidate = {.size = symbol->st_size};
	const struct elf_section *section;
	struct symbol_name name;

	if (type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return;
	section = code_section(source, symbol);
	if (!section || !symbol->st_name)
		return;
	uint64_t behind = section->header.sh_addr + section->header.sh_size;
	if (symbol->st_value >= behind)
		return; /* "etext" and the like */
	if (symbol_section_name(&source->section, index, symbol, &name) ||
	    elf_file_offset(source->main, symbol->st_value, &candidate.offset)) {
		source->skipped++;
		return;
	}
	if (is_marker(source->file, name.text, name.length))
		return;
	candidate.name = name.text;
	candidate.name_length = name.length;
	candidate.is_code = type != STT_NOTYPE;
	candidate.is_old_version = name.is_old_version != 0;
	candidate.binding = (uint8_t)binding_of(symbol);
	candidate.limit = candidate.offset + (behind - symbol->st_value);
	symbol_table_add(source->table, &candidate);
}

/* Add the symbols of file in the section of that type. Returns how many there are. */
static size_t add_section(struct symbol_source *source, const struct elf_file *file, uint32_t type)
{
	GElf_Sym symbol;

	source->file = file;
	if (symbol_section_open(&source->section, file, elf_file_find_type(file, type)))
		return 0;
	for (size_t i = 1; !symbol_section_get(&source->section, i, &symbol); i++)
		add_symbol(source, &symbol, i);
	return source->section.count;
}

/* Add the dynamic symbols; a full table, which has more than those, includes them already. */
static void add_dynamic(struct symbol_source *source, const struct elf_file *file, size_t count)
{
	struct symbol_section dynamic;

	if (!symbol_section_open(&dynamic, file, elf_file_find_type(file, SHT_DYNSYM)) &&
	    dynamic.count >= count)
		add_section(source, file, SHT_DYNSYM);
}

void symbols_read(const struct elf_file *file, const struct elf_file *debug,
		  struct symbol_table *table, uint32_t *flags, uint32_t *skipped)
{
	struct symbol_source source = {.main = file, .table = table};
	_cleanup_(mini_debug_close) struct mini_debug mini = {0};
	_cleanup_(plt_fini) struct plt plt = {0};

	size_t count = 0;

	*flags = 0;
	if (debug && (count = add_section(&source, debug, SHT_SYMTAB)))
		*flags |= MODULE_HAS_SYMTAB | MODULE_HAS_DEBUG_FILE;
	else if ((count = add_section(&source, file, SHT_SYMTAB)))
		*flags |= MODULE_HAS_SYMTAB;
	else if (!mini_debug_open(&mini, file) && add_section(&source, &mini.file, SHT_SYMTAB))
		*flags |= MODULE_HAS_MINI_SYMTAB; /* made to go with the dynamic ones */
	add_dynamic(&source, file, count);
	plt_read(&plt, file, table);
	symbol_table_finish(table);
	if (table->is_cut)
		*flags |= MODULE_IS_CUT;
	*skipped = source.skipped;
}
