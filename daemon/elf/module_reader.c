/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/module_reader.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>

#include "daemon/elf/debug_file.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/reader_message.h"
#include "daemon/elf/row_blocks.h"
#include "daemon/elf/symbols.h"
#include "daemon/elf/unwind_rows.h"

/* The kernel's vdso is two pages; its section headers, which come last, tell how long it is. */
#define VDSO_MAX_BYTES (UINT64_C(64) << 10)

static void read_identity(const struct elf_file *file, const struct elf_file *debug,
			  struct module_image_header *header)
{
	int error;

	header->machine = file->header.e_machine;
	header->flags = file->is_executable ? MODULE_IS_EXECUTABLE : 0;
	header->build_id_length = elf_file_build_id(file, header->build_id);
	error = elf_file_debuglink(file, header->debuglink, &header->debuglink_crc);
	if (error)
		header->debuglink[0] = 0;
	error = elf_file_altlink(debug ? debug : file, header->altlink, header->altlink_id,
				 &header->altlink_id_length);
	if (error && debug)
		error = elf_file_altlink(file, header->altlink, header->altlink_id,
					 &header->altlink_id_length);
	if (error)
		header->altlink[0] = 0;
}

static void function_list_fini(struct function_list *functions)
{
	free(functions->ranges);
}

static int read_image(const struct elf_file *file, const struct elf_file *debug, uint32_t want,
		      uint32_t flags, int *image_fd)
{
	_cleanup_(symbol_table_fini) struct symbol_table symbols = {0};
	struct module_image_header header = {0};
	_cleanup_(row_table_fini) struct row_table rows = {0};
	_cleanup_(row_blocks_fini) struct row_blocks blocks = {0};
	_cleanup_(function_list_fini) struct function_list functions = {0};
	uint32_t symbol_flags;

	if (!file->segment_count)
		return -ENOEXEC; /* no code: nothing that a frame could lie in */
	read_identity(file, debug, &header);
	symbols_read(file, debug, &symbols, &symbol_flags, &header.skipped);
	header.flags |= flags | symbol_flags;
	if (want & READER_WANT_ROWS) {
		row_table_init(&rows);
		unwind_rows_read(file, &rows, &functions);
		row_blocks_make(&blocks, &rows);
		symbol_table_add_unnamed(&symbols, &functions);
		header.flags |= rows.is_cut ? MODULE_IS_CUT : 0;
	}

	const struct image_tables tables = {
		.segments = {file->segments, file->segment_count},
		.symbols = {symbols.symbols, symbols.symbol_count},
		.text = {symbols.text, symbols.text_bytes},
		.pages = {blocks.pages, blocks.page_count},
		.cells = {blocks.cells, blocks.cell_count},
		.rules = {rows.rules, rows.rule_count},
	};
	return image_write(&header, &tables, image_fd);
}

int module_reader_read_file(const struct elf_file *file, const struct elf_file *debug,
			    uint32_t want, int *image_fd)
{
	return read_image(file, debug, want, 0, image_fd);
}

int module_reader_read(int fd, int debug_fd, uint32_t want, int *image_fd)
{
	_cleanup_(elf_file_close) struct elf_file file = {0};
	_cleanup_(elf_file_close) struct elf_file debug = {0};
	int error = elf_file_open(&file, fd);

	if (error)
		return error;
	if (debug_fd < 0)
		return module_reader_read_file(&file, NULL, want, image_fd);
	if (elf_file_open(&debug, debug_fd) || !debug_file_belongs(&debug, &file))
		return read_image(&file, NULL, want, MODULE_DEBUG_REFUSED, image_fd);
	return module_reader_read_file(&file, &debug, want, image_fd);
}

int module_reader_read_vdso(uint32_t want, int *image_fd)
{
	const void *memory = (const void *)getauxval(AT_SYSINFO_EHDR);
	_cleanup_(elf_file_close) struct elf_file file = {0};
	ElfW(Ehdr) header;

	if (!memory)
		return -ENOENT;
	memcpy(&header, memory, sizeof(header));
	uint64_t size = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
	if (size > VDSO_MAX_BYTES)
		return -E2BIG;
	int error = elf_file_open_memory(&file, memory, size);
	return error ? error : module_reader_read_file(&file, NULL, want, image_fd);
}
