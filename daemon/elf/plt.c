/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/plt.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/elf/symbol_section.h"

#define SUFFIX "@plt"

/* The lazy entries of a table for indirect branch tracking only push their relocation's number. */
#define OPCODE_PUSH_IMMEDIATE 0x68

/* An indirect function by the address of its resolver, which is all that its relocation tells. */
struct resolver {
	uint64_t address;
	struct symbol_name name;
};

struct resolver_list {
	struct resolver *resolvers;
	size_t count;
	size_t capacity;
};

static void resolver_list_fini(struct resolver_list *list)
{
	free(list->resolvers);
}

static int compare_resolvers(const void *left, const void *right)
{
	const struct resolver *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->name.length > b->name.length) - (a->name.length < b->name.length);
}

static int compare_slots(const void *left, const void *right)
{
	const struct plt_slot *a = left, *b = right;

	return (a->address > b->address) - (a->address < b->address);
}

static void add_resolvers(struct resolver_list *list, const struct elf_file *file, uint32_t type)
{
	struct symbol_section symbols;
	struct symbol_name name;
	GElf_Sym symbol;

	if (symbol_section_open(&symbols, file, elf_file_find_type(file, type)))
		return;
	for (size_t i = 1; !symbol_section_get(&symbols, i, &symbol); i++) {
		if (GELF_ST_TYPE(symbol.st_info) != STT_GNU_IFUNC ||
		    list->count == PLT_MAX_ENTRIES ||
		    symbol_section_name(&symbols, i, &symbol, &name) || !name.length)
			continue;
		list->resolvers = memory_grow(list->resolvers, &list->capacity, list->count + 1,
					      sizeof(*list->resolvers));
		list->resolvers[list->count++] = (struct resolver){
			.address = symbol.st_value,
			.name = name,
		};
	}
}

/* Of the names of one resolver the shortest: strlen rather than __strlen. */
static const struct resolver *find_resolver(const struct resolver_list *list, uint64_t address)
{
	size_t low = 0;
	size_t high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->resolvers[middle].address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < list->count && list->resolvers[low].address == address ? &list->resolvers[low]
									    : NULL;
}

/* Find the name of the function that relocation will make its slot point to. */
static int name_target(const GElf_Rela *relocation, const struct symbol_section *symbols,
		       const struct resolver_list *resolvers, struct symbol_name *name)
{
	const struct resolver *resolver;
	size_t number = GELF_R_SYM(relocation->r_info);
	GElf_Sym symbol;

	switch (GELF_R_TYPE(relocation->r_info)) {
	case R_X86_64_JUMP_SLOT:
	case R_X86_64_GLOB_DAT:
		return symbol_section_get(symbols, number, &symbol) ||
		       symbol_section_name(symbols, number, &symbol, name);
	case R_X86_64_IRELATIVE:
		resolver = find_resolver(resolvers, (uint64_t)relocation->r_addend);
		if (resolver)
			*name = resolver->name;
		return !resolver;
	default:
		return 1;
	}
}

static void add_slot(struct plt *plt, uint64_t address, const struct symbol_name *name)
{
	plt->slots = memory_grow(plt->slots, &plt->slot_capacity, plt->slot_count + 1,
				 sizeof(*plt->slots));
	plt->slots[plt->slot_count++] = (struct plt_slot){
		.address = address,
		.name = name->text,
		.name_length = name->length,
	};
}

static void read_relocations(struct plt *plt, const struct elf_file *file)
{
	_cleanup_(resolver_list_fini) struct resolver_list resolvers = {0};

	add_resolvers(&resolvers, file, SHT_DYNSYM);
	add_resolvers(&resolvers, file, SHT_SYMTAB);
	if (resolvers.count)
		qsort(resolvers.resolvers, resolvers.count, sizeof(*resolvers.resolvers),
		      compare_resolvers);
	for (size_t i = 1; i < file->section_count; i++) {
		const struct elf_section *section = &file->sections[i];
		struct symbol_section symbols = {0};
		struct symbol_name name;
		GElf_Rela relocation;
		Elf_Data *data;

		if (section->header.sh_type != SHT_RELA || elf_section_read(section, &data))
			continue;
		if (symbol_section_open(&symbols, file, elf_file_linked(file, section)))
			symbols.count = 0; /* a static program has relocations alone */
		for (int j = 0; gelf_getrela(data, j, &relocation); j++) {
			if (plt->slot_count < PLT_MAX_ENTRIES &&
			    !name_target(&relocation, &symbols, &resolvers, &name) && name.length)
				add_slot(plt, relocation.r_offset, &name);
		}
	}
	if (plt->slot_count)
		qsort(plt->slots, plt->slot_count, sizeof(*plt->slots), compare_slots);
}

static const struct plt_slot *find_slot(const struct plt *plt, uint64_t address)
{
	const struct plt_slot key = {.address = address};

	return plt->slot_count
		       ? bsearch(&key, plt->slots, plt->slot_count, sizeof(key), compare_slots)
		       : NULL;
}

static int32_t read_s32(const unsigned char *bytes)
{
	int32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/*
 * Find what the entry in bytes, which is at address, jumps to: [endbr64] [bnd] jmp *slot(%rip), or
 * [endbr64] push number of the relocation in .rela.plt.
 */
static const struct plt_slot *decode_entry(const struct plt *plt, const unsigned char *bytes,
					   size_t size, uint64_t address, Elf_Data *lazy)
{
	static const unsigned char endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	size_t at = 0;
	GElf_Rela relocation;

	if (size >= sizeof(endbr64) && !memcmp(bytes, endbr64, sizeof(endbr64)))
		at += sizeof(endbr64);
	if (at < size && bytes[at] == 0xf2) /* bnd */
		at++;
	if (at + 6 <= size && bytes[at] == 0xff && bytes[at + 1] == 0x25)
		return find_slot(plt,
				 address + at + 6 + (uint64_t)(int64_t)read_s32(bytes + at + 2));
	if (at + 5 <= size && bytes[at] == OPCODE_PUSH_IMMEDIATE && lazy &&
	    gelf_getrela(lazy, read_s32(bytes + at + 1), &relocation))
		return find_slot(plt, relocation.r_offset);
	return NULL;
}

static void add_entry(struct plt *plt, const struct plt_slot *slot, uint64_t offset, size_t size,
		      struct symbol_table *table)
{
	char name[SYMBOL_MAX_NAME + sizeof(SUFFIX)];
	size_t length = slot->name_length;

	memcpy(name, slot->name, length);
	memcpy(name + length, SUFFIX, sizeof(SUFFIX));
	length += sizeof(SUFFIX) - 1;

	struct symbol_candidate candidate = {
		.offset = offset,
		.size = size,
		.name = intern_text(&plt->names, intern_add(&plt->names, name, length)),
		.name_length = length,
		.binding = SYMBOL_LOCAL,
	};
	symbol_table_add(table, &candidate);
}

static void read_table(struct plt *plt, const struct elf_file *file,
		       const struct elf_section *section, Elf_Data *lazy,
		       struct symbol_table *table)
{
	size_t step = section->header.sh_entsize == 8 ? 8 : 16;
	uint64_t offset;
	Elf_Data *data;

	if (elf_section_read(section, &data) ||
	    elf_file_offset(file, section->header.sh_addr, &offset))
		return;
	const unsigned char *bytes = data->d_buf;
	for (size_t at = 0; at + step <= data->d_size; at += step) {
		const struct plt_slot *slot =
			decode_entry(plt, bytes + at, step, section->header.sh_addr + at, lazy);

		if (slot && plt->names.count < PLT_MAX_ENTRIES)
			add_entry(plt, slot, offset + at, step, table);
	}
}

void plt_read(struct plt *plt, const struct elf_file *file, struct symbol_table *table)
{
	static const char *const names[] = {".plt", ".plt.sec", ".plt.got", ".iplt"};
	const struct elf_section *relocations = elf_file_find_section(file, ".rela.plt");
	Elf_Data *lazy = NULL;

	intern_init(&plt->names);
	if (file->header.e_machine != EM_X86_64)
		return;
	read_relocations(plt, file);
	if (!plt->slot_count)
		return;
	if (relocations && elf_section_read(relocations, &lazy))
		lazy = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const struct elf_section *section = elf_file_find_section(file, names[i]);

		if (section && section->header.sh_flags & SHF_EXECINSTR)
			read_table(plt, file, section, lazy, table);
	}
}

void plt_fini(struct plt *plt)
{
	free(plt->slots);
	intern_fini(&plt->names);
	*plt = (struct plt){0};
}
