/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/elf_code.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/elf/symbol_section.h"
#include "daemon/elf/unwind_rows.h"

void elf_code_init(struct elf_code *code, const struct elf_file *file)
{
	*code = (struct elf_code){.file = file};
	unwind_rows_list(file, &code->functions);
}

void elf_code_fini(struct elf_code *code)
{
	free(code->functions.ranges);
}

static int find(void *context, uint64_t vaddr, struct code_extent *range)
{
	const struct elf_code *code = context;
	const struct function_range *ranges = code->functions.ranges;
	size_t low = 0, high = code->functions.count;
	uint64_t offset;
	int error = elf_file_offset(code->file, vaddr, &offset);

	if (error)
		return error;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle].offset + ranges[middle].size <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == code->functions.count || offset < ranges[low].offset)
		return -ENOENT;
	*range = (struct code_extent){vaddr - (offset - ranges[low].offset), ranges[low].size};
	return 0;
}

static int read_range(void *context, const struct code_extent *range, uint8_t *bytes)
{
	const struct elf_code *code = context;
	uint64_t offset;
	int error = elf_file_offset(code->file, range->vaddr, &offset);

	return error ? error : elf_file_read(code->file, offset, bytes, range->size);
}

/* Where a relocation makes its pointer point to. Errors: -ENOENT to another file, or not known. */
static int target_of(const GElf_Rela *relocation, const struct symbol_section *symbols,
		     uint64_t *vaddr)
{
	GElf_Sym symbol;

	switch (GELF_R_TYPE(relocation->r_info)) {
	case R_X86_64_JUMP_SLOT:
	case R_X86_64_GLOB_DAT:
		if (symbol_section_get(symbols, GELF_R_SYM(relocation->r_info), &symbol) ||
		    symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			return -ENOENT;
		*vaddr = symbol.st_value;
		return 0;
	case R_X86_64_RELATIVE:
		*vaddr = (uint64_t)relocation->r_addend;
		return 0;
	default:
		return -ENOENT;
	}
}

/* Errors: -ENOENT it is not there, -E2BIG too many were looked at. */
static int resolve_in(struct elf_code *code, const struct elf_section *section, uint64_t slot,
		      uint64_t *vaddr)
{
	struct symbol_section symbols = {0};
	GElf_Rela relocation;
	Elf_Data *data;

	if (section->header.sh_type != SHT_RELA || elf_section_read(section, &data))
		return -ENOENT;
	if (symbol_section_open(&symbols, code->file, elf_file_linked(code->file, section)))
		symbols.count = 0;
	for (int i = 0; gelf_getrela(data, i, &relocation); i++) {
		if (code->relocation_count++ == ELF_CODE_MAX_RELOCATIONS)
			return -E2BIG;
		if (relocation.r_offset == slot)
			return target_of(&relocation, &symbols, vaddr);
	}
	return -ENOENT;
}

static int resolve(void *context, uint64_t slot, uint64_t *vaddr)
{
	struct elf_code *code = context;
	int error = -ENOENT;

	if (code->resolved_count++ >= ELF_CODE_MAX_RESOLVED ||
	    code->relocation_count > ELF_CODE_MAX_RELOCATIONS)
		return -E2BIG;
	for (size_t i = 1; error == -ENOENT && i < code->file->section_count; i++)
		error = resolve_in(code, &code->file->sections[i], slot, vaddr);
	return error;
}

struct code_source elf_code_source(struct elf_code *code)
{
	return (struct code_source){
		.context = code, .find = find, .read = read_range, .resolve = resolve};
}
