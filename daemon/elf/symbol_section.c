/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/symbol_section.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define VERSION_HIDDEN 0x8000

int symbol_section_open(struct symbol_section *symbols, const struct elf_file *file,
			const struct elf_section *section)
{
	const struct elf_section *strings = section ? elf_file_linked(file, section) : NULL;
	const struct elf_section *versions = elf_file_find_type(file, SHT_GNU_versym);
	struct symbol_section opened = {0};
	Elf_Data *data;

	if (!strings || elf_section_read(section, &opened.symbols) ||
	    opened.symbols->d_type != ELF_T_SYM || elf_section_read(strings, &data))
		return -ENOENT;
	opened.names = data->d_buf;
	opened.names_bytes = data->d_size;
	opened.count = opened.symbols->d_size / gelf_fsize(file->handle, ELF_T_SYM, 1, EV_CURRENT);
	if (section->header.sh_type == SHT_DYNSYM && versions &&
	    !elf_section_read(versions, &data)) {
		opened.versions = data->d_buf;
		opened.version_count = data->d_size / sizeof(*opened.versions);
	}
	*symbols = opened;
	return 0;
}

int symbol_section_get(const struct symbol_section *symbols, size_t index, GElf_Sym *symbol)
{
	if (!index || index >= symbols->count || index > INT_MAX ||
	    !gelf_getsym(symbols->symbols, (int)index, symbol))
		return -ENOENT;
	return 0;
}

int symbol_section_name(const struct symbol_section *symbols, size_t index, const GElf_Sym *symbol,
			struct symbol_name *name)
{
	if (symbol->st_name >= symbols->names_bytes)
		return -EBADMSG;

	const char *text = symbols->names + symbol->st_name;
	size_t room = symbols->names_bytes - symbol->st_name;
	size_t length = strnlen(text, room < SYMBOL_MAX_NAME ? room : SYMBOL_MAX_NAME);
	const char *version = length ? memchr(text + 1, '@', length - 1) : NULL;

	*name = (struct symbol_name){.text = text, .length = length};
	if (version) {
		name->length = (size_t)(version - text);
		name->is_old_version = version + 1 < text + length && version[1] != '@';
	}
	if (index < symbols->version_count && symbols->versions[index] & VERSION_HIDDEN)
		name->is_old_version = 1;
	return 0;
}
