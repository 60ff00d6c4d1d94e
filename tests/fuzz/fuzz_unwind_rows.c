/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/row_blocks.h"
#include "daemon/elf/unwind_rows.h"
#include "tests/fuzz/target.h"

#define MAX_INPUT 65536

/* A program whose .eh_frame is the input; addresses and offsets in it are the same. */
struct program {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[3];
	char names[32];
	uint8_t code[4096];
	uint8_t frames[MAX_INPUT];
};

static size_t make_program(struct program *program, const uint8_t *data, size_t size)
{
	static const char names[] = "\0.eh_frame\0.shstrtab";
	size_t whole = offsetof(struct program, frames) + size;

	memset(program, 0, offsetof(struct program, frames));
	memcpy(program->header.e_ident, ELFMAG "\2\1\1", 7);
	program->header.e_type = ET_EXEC;
	program->header.e_machine = EM_X86_64;
	program->header.e_version = EV_CURRENT;
	program->header.e_phoff = offsetof(struct program, segment);
	program->header.e_shoff = offsetof(struct program, sections);
	program->header.e_ehsize = sizeof(Elf64_Ehdr);
	program->header.e_phentsize = sizeof(Elf64_Phdr);
	program->header.e_phnum = 1;
	program->header.e_shentsize = sizeof(Elf64_Shdr);
	program->header.e_shnum = 3;
	program->header.e_shstrndx = 2;
	program->segment = (Elf64_Phdr){
		.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = whole, .p_memsz = whole};
	program->sections[1] = (Elf64_Shdr){.sh_name = 1,
					    .sh_type = SHT_PROGBITS,
					    .sh_flags = SHF_ALLOC,
					    .sh_addr = offsetof(struct program, frames),
					    .sh_offset = offsetof(struct program, frames),
					    .sh_size = size};
	program->sections[2] = (Elf64_Shdr){.sh_name = 11,
					    .sh_type = SHT_STRTAB,
					    .sh_offset = offsetof(struct program, names),
					    .sh_size = sizeof(names)};
	memcpy(program->names, names, sizeof(names));
	memcpy(program->frames, data, size);
	return whole;
}

/* Whatever the section says, the rows hold what module_image_open() demands. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct program program;
	_cleanup_(elf_file_close) struct elf_file file = {.fd = -1};
	_cleanup_(row_table_fini) struct row_table rows = {0};
	_cleanup_(row_blocks_fini) struct row_blocks blocks = {0};
	_cleanup_close_ int image_fd = -1;
	const struct module_image_header header = {0};
	struct module_image image = {0};

	if (size > MAX_INPUT)
		return 0;
	if (elf_file_open_memory(&file, &program, make_program(&program, data, size)))
		abort();
	row_table_init(&rows);
	unwind_rows_read(&file, &rows, NULL);
	row_blocks_make(&blocks, &rows);

	const struct image_tables tables = {
		.pages = {blocks.pages, blocks.page_count},
		.cells = {blocks.cells, blocks.cell_count},
		.rules = {rows.rules, rows.rule_count},
	};
	if (image_write(&header, &tables, &image_fd) || module_image_open(&image, image_fd))
		abort();
	for (uint64_t offset = 0; offset < sizeof(program); offset += 61) {
		const struct unwind_rule *rule = module_image_find_rule(&image, offset);

		if (rule && unwind_cfa_kind(rule) == UNWIND_CFA_NONE)
			abort();
	}
	module_image_close(&image);
	return 0;
}
