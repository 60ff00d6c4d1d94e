/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/unwind_rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/elf/byte_cursor.h"
#include "daemon/elf/call_frame.h"
#include "daemon/elf/encoded_address.h"

/* Bytes that are searched at a time. */
#define WINDOW_BYTES (UINT32_C(16) << 10)

/* Sections of code; files have five. */
#define MAX_CODE_RANGES 64

/* A function by its place in the file. */
struct function {
	uint64_t offset;
	struct call_frame frame;
};

/* The section, and what of it was taken into memory here. */
struct source {
	struct call_frame_section section;
	uint8_t *owned;
	struct call_frame_common common;
	struct function *functions;
	size_t count;
	size_t capacity;
};

/* Where in the file code may be that no function covers. */
struct code_range {
	uint64_t start;
	uint64_t end;
};

struct code {
	struct code_range ranges[MAX_CODE_RANGES]; /* zero: not in use */
	size_t count;
};

/* Where the rules of one function go. */
struct destination {
	struct row_table *rows;
	uint64_t offset;
};

static void source_fini(struct source *source)
{
	free(source->owned);
	free(source->functions);
}

/* mov $15, %rax; syscall: rt_sigreturn. */
static const uint8_t restorer[] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

/*
 * In the restorer sp points to the context that the kernel saved (struct ucontext in its
 * struct rt_sigframe): the registers of what was interrupted are at fixed places in it.
 */
static const struct unwind_rule restorer_rule = {
	.cfa = UNWIND_CFA_SIGNAL | UNWIND_RSP << 4,
	.cfa_offset = 160,
	.ra = UNWIND_AT_SP,
	.ra_offset = 168,
	.fp = UNWIND_AT_SP,
	.fp_offset = 120,
	.rbx = UNWIND_AT_SP,
	.rbx_offset = 128,
};

/*
 * Code that no function covers, while it is searched: no rule is in force from start on, but where a
 * restorer is.
 */
struct gap {
	struct row_table *rows;
	uint64_t start; /* of what has no rule, behind the last restorer */
};

static void add_restorer(struct gap *gap, uint64_t offset)
{
	/* The handler returns to its first byte, and callers are looked up one before. */
	uint64_t first = offset ? offset - 1 : 0;

	if (first > gap->start)
		row_table_add(gap->rows, gap->start, NULL);
	row_table_add(gap->rows, first, &restorer_rule);
	gap->start = offset + sizeof(restorer);
}

static void search_window(struct gap *gap, const uint8_t *window, size_t size, uint64_t offset)
{
	const uint8_t *at = window;
	const uint8_t *end = window + size;

	while ((at = memmem(at, (size_t)(end - at), restorer, sizeof(restorer)))) {
		add_restorer(gap, offset + (uint64_t)(at - window));
		at += sizeof(restorer);
	}
}

/* Search [from, to) of the file, which lies in one segment. */
static void search_range(struct gap *gap, const struct elf_file *file, uint64_t from, uint64_t to)
{
	uint8_t window[WINDOW_BYTES];

	while (to - from >= sizeof(restorer)) {
		size_t size = to - from < WINDOW_BYTES ? (size_t)(to - from) : WINDOW_BYTES;

		if (elf_file_read(file, from, window, size))
			return;
		search_window(gap, window, size, from);
		if (from + size == to)
			return;
		from += size - (sizeof(restorer) - 1);
	}
}

static void add_gap(const struct elf_file *file, const struct code *code, struct row_table *rows,
		    uint64_t from, uint64_t to)
{
	struct gap gap = {.rows = rows, .start = from};

	for (size_t i = 0; i < code->count; i++) {
		uint64_t low = from > code->ranges[i].start ? from : code->ranges[i].start;
		uint64_t high = to < code->ranges[i].end ? to : code->ranges[i].end;

		if (low < high && high - low >= sizeof(restorer))
			search_range(&gap, file, low, high);
	}
	row_table_add(rows, gap.start, NULL);
}

static int compare_code(const void *left, const void *right)
{
	const struct code_range *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static void add_code(struct code *code, uint64_t start, uint64_t size)
{
	if (code->count < MAX_CODE_RANGES)
		code->ranges[code->count++] = (struct code_range){start, start + size};
}

/*
 * The code is in the sections that say so: a segment may hold constants as well. A file without
 * sections is searched by segments.
 */
static void find_code(const struct elf_file *file, struct code *code)
{
	uint64_t offset, end = 0;

	for (size_t i = 1; i < file->section_count; i++) {
		const GElf_Shdr *header = &file->sections[i].header;

		if (header->sh_flags & SHF_EXECINSTR && header->sh_type != SHT_NOBITS &&
		    !elf_file_offset(file, header->sh_addr, &offset) &&
		    header->sh_size <= file->size - offset)
			add_code(code, offset, header->sh_size);
	}
	for (size_t i = 0; i < file->segment_count && !file->section_count; i++)
		add_code(code, file->segments[i].offset, file->segments[i].size);
	qsort(code->ranges, code->count, sizeof(*code->ranges), compare_code);
	for (size_t i = 0; i < code->count; i++) {
		struct code_range *range = &code->ranges[i];

		if (range->start < end) /* only a hostile file has sections that overlap */
			range->start = end < range->end ? end : range->end;
		if (range->end > end)
			end = range->end;
	}
}

static int read_by_section(const struct elf_file *file, struct source *source)
{
	const struct elf_section *section = elf_file_find_section(file, ".eh_frame");
	Elf_Data *data;

	if (!section || elf_section_read(section, &data))
		return -ENOENT;
	source->section = (struct call_frame_section){
		.bytes = data->d_buf,
		.size = data->d_size,
		.vaddr = section->header.sh_addr,
	};
	return 0;
}

/* Read where .eh_frame is from .eh_frame_hdr, which is at offset. */
static int read_header(const struct elf_file *file, uint64_t offset, uint64_t vaddr,
		       uint64_t *frames)
{
	uint8_t bytes[4 + 8] = {0}; /* version, three encodings, the address in the longest form */
	struct byte_cursor cursor = {.at = bytes, .end = bytes + sizeof(bytes)};

	if (elf_file_read(file, offset, bytes, sizeof(bytes)) || byte_cursor_u8(&cursor) != 1)
		return -ENOENT;
	uint8_t encoding = byte_cursor_u8(&cursor);
	byte_cursor_skip(&cursor, 2);
	return encoded_address_read(&cursor, encoding, vaddr + 4, frames);
}

static int read_by_segment(const struct elf_file *file, struct source *source)
{
	uint64_t vaddr, offset, size;
	size_t count;

	if (elf_getphdrnum(file->handle, &count))
		return -ENOENT;
	for (size_t i = 0; i < count; i++) {
		GElf_Phdr header;

		if (!gelf_getphdr(file->handle, (int)i, &header))
			return -ENOENT;
		if (header.p_type != PT_GNU_EH_FRAME ||
		    read_header(file, header.p_offset, header.p_vaddr, &vaddr) ||
		    elf_file_locate(file, vaddr, &offset, &size) || size > ELF_FILE_MAX_SECTION)
			continue;
		source->owned = memory_new(size);
		if (elf_file_read(file, offset, source->owned, size))
			return -EIO;
		source->section = (struct call_frame_section){
			.bytes = source->owned,
			.size = size,
			.vaddr = vaddr,
			.ends_at_zero = 1,
		};
		return 0;
	}
	return -ENOENT;
}

/* Place frame in the file and cut it to its segment. Errors: -ENOENT it is in none. */
static int place_function(const struct elf_file *file, struct function *function)
{
	struct call_frame *frame = &function->frame;

	for (size_t i = 0; i < file->segment_count; i++) {
		const struct module_segment *segment = &file->segments[i];
		uint64_t inside = frame->vaddr - segment->vaddr;

		if (frame->vaddr < segment->vaddr || inside >= segment->size)
			continue;
		if (frame->size > segment->size - inside)
			frame->size = segment->size - inside;
		function->offset = segment->offset + inside;
		return frame->size ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static int compare_functions(const void *left, const void *right)
{
	const struct function *a = left, *b = right;

	return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Collect the functions in order of place: linkers write them in any. */
static void collect_functions(const struct elf_file *file, struct source *source, int *is_cut)
{
	struct function function;
	size_t position = 0;
	int is_sorted = 1;

	while (call_frame_next(&source->section, &position, &source->common, &function.frame)) {
		if (place_function(file, &function))
			continue;
		if (source->count == UNWIND_ROWS_MAX_FRAMES) {
			*is_cut = 1;
			break;
		}
		if (source->count && source->functions[source->count - 1].offset > function.offset)
			is_sorted = 0;
		source->functions = memory_grow(source->functions, &source->capacity,
						source->count + 1, sizeof(*source->functions));
		source->functions[source->count++] = function;
	}
	if (!is_sorted)
		qsort(source->functions, source->count, sizeof(*source->functions),
		      compare_functions);
}

static void on_rule(void *context, uint64_t offset, const struct unwind_rule *rule)
{
	const struct destination *destination = context;

	row_table_add(destination->rows, destination->offset + offset, rule);
}

static void add_range(struct function_list *functions, const struct function *function)
{
	functions->ranges = memory_grow(functions->ranges, &functions->capacity,
					functions->count + 1, sizeof(*functions->ranges));
	functions->ranges[functions->count++] =
		(struct function_range){function->offset, function->frame.size};
}

static void add_functions(const struct elf_file *file, struct source *source,
			  struct row_table *rows, struct function_list *functions)
{
	struct code code = {0};
	uint64_t end = 0;

	find_code(file, &code);
	for (size_t i = 0; i < source->count; i++) {
		const struct function *function = &source->functions[i];
		struct destination destination = {.rows = rows, .offset = function->offset};

		if (function->offset < end)
			continue; /* two claim the same code: the first keeps it */
		if (function->offset - end >= UNWIND_ROWS_MIN_GAP)
			add_gap(file, &code, rows, end, function->offset);
		call_frame_run(&source->section, &function->frame, &source->common, on_rule,
			       &destination);
		if (functions)
			add_range(functions, function);
		end = function->offset + function->frame.size;
	}
	add_gap(file, &code, rows, end, UINT64_MAX);
}

void unwind_rows_read(const struct elf_file *file, struct row_table *rows,
		      struct function_list *functions)
{
	_cleanup_(source_fini) struct source source = {0};

	if (file->header.e_machine != EM_X86_64 || file->header.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	if (!read_by_section(file, &source) || !read_by_segment(file, &source))
		collect_functions(file, &source, &rows->is_cut);
	add_functions(file, &source, rows, functions);
}

void unwind_rows_list(const struct elf_file *file, struct function_list *functions)
{
	_cleanup_(source_fini) struct source source = {0};
	uint64_t end = 0;
	int is_cut = 0;

	if (file->header.e_machine != EM_X86_64 || file->header.e_ident[EI_CLASS] != ELFCLASS64)
		return;
	if (!read_by_section(file, &source) || !read_by_segment(file, &source))
		collect_functions(file, &source, &is_cut);
	for (size_t i = 0; i < source.count; i++) {
		const struct function *function = &source.functions[i];

		if (function->offset < end)
			continue;
		add_range(functions, function);
		end = function->offset + function->frame.size;
	}
}
