/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/line_reader.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/intern.h"
#include "daemon/elf/debug_file.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/line_index.h"
#include "daemon/elf/lines.h"

#define MAX_TEXT (LINES_MAX_BYTES / 2)

/* The answer while it is made. */
struct answer {
	struct lines_address *addresses;
	struct lines_frame *frames;
	size_t frame_count;
	size_t frame_capacity;
	struct intern strings;
	size_t text_bytes;
};

/* A request while it is answered. */
struct line_reader {
	struct elf_file file;
	struct elf_file debug;
	struct elf_file alternate;
	Dwarf *dwarf;
	Dwarf *alternate_dwarf;
	struct line_index index;
	struct answer answer;
};

static void line_reader_close(struct line_reader *reader)
{
	line_index_fini(&reader->index);
	free(reader->answer.addresses);
	free(reader->answer.frames);
	intern_fini(&reader->answer.strings);
	dwarf_end(reader->dwarf);
	dwarf_end(reader->alternate_dwarf);
	elf_file_close(&reader->alternate);
	elf_file_close(&reader->debug);
	elf_file_close(&reader->file);
}

/* Intern text; 0 when there is none, or no more room for it. */
static uint32_t add_text(struct answer *answer, const char *text)
{
	if (!text || answer->text_bytes + strlen(text) + 1 > MAX_TEXT)
		return 0;
	uint32_t before = answer->strings.count;
	uint32_t id = intern_add_text(&answer->strings, text);
	if (answer->strings.count > before)
		answer->text_bytes += strlen(text) + 1;
	return id;
}

static const char *function_name(Dwarf_Die *function)
{
	static const unsigned int names[] = {DW_AT_linkage_name, DW_AT_MIPS_linkage_name,
					     DW_AT_name};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		Dwarf_Attribute attribute;

		if (!dwarf_attr_integrate(function, names[i], &attribute))
			continue;
		const char *name = dwarf_formstring(&attribute);
		if (name)
			return name;
	}
	return NULL;
}

static uint32_t attribute_number(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	if (!dwarf_attr(die, name, &attribute) || dwarf_formudata(&attribute, &value) ||
	    value > UINT32_MAX)
		return 0;
	return (uint32_t)value;
}

/* Where the inlined function was called: the place in the one around it. */
static void read_call(struct line_unit *unit, Dwarf_Die *inlined, struct answer *answer,
		      struct lines_frame *around)
{
	Dwarf_Files *files;
	size_t count;

	around->line = attribute_number(inlined, DW_AT_call_line);
	uint32_t number = attribute_number(inlined, DW_AT_call_file);
	if (!dwarf_getsrcfiles(&unit->die, &files, &count) && number < count)
		around->file = add_text(answer, dwarf_filesrc(files, number, NULL, NULL));
}

static void read_line(struct line_unit *unit, uint64_t address, struct answer *answer,
		      struct lines_frame *frame)
{
	Dwarf_Line *line = dwarf_getsrc_die(&unit->die, address);
	int number;

	if (!line)
		return;
	frame->file = add_text(answer, dwarf_linesrc(line, NULL, NULL));
	if (!dwarf_lineno(line, &number) && number > 0)
		frame->line = (uint32_t)number;
}

/* Find the next deeper scope that covers address; *die moves into it. */
static int find_inner(struct line_index *index, Dwarf_Die *die, uint64_t address)
{
	Dwarf_Die child;

	if (dwarf_child(die, &child))
		return 0;
	do {
		int tag = dwarf_tag(&child);

		if (!line_index_visit(index))
			return 0;
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block) &&
		    dwarf_haspc(&child, address) > 0) {
			*die = child;
			return 1;
		}
	} while (!dwarf_siblingof(&child, &child));
	return 0;
}

/* Collect function and what is inlined at address, outermost first. Returns how many. */
static size_t find_chain(struct line_index *index, Dwarf_Die *function, uint64_t address,
			 Dwarf_Die chain[LINES_MAX_FRAMES])
{
	Dwarf_Die die = *function;
	size_t count = 1;

	chain[0] = die;
	while (count < LINES_MAX_FRAMES && find_inner(index, &die, address)) {
		if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			chain[count++] = die;
	}
	return count;
}

static void add_frame(struct answer *answer, const struct lines_frame *frame)
{
	answer->frames = memory_grow(answer->frames, &answer->frame_capacity,
				     answer->frame_count + 1, sizeof(*answer->frames));
	answer->frames[answer->frame_count++] = *frame;
}

/* Add the frames of a chain, innermost first. */
static void add_chain(struct line_reader *reader, struct line_unit *unit, uint64_t address,
		      Dwarf_Die *chain, size_t count)
{
	struct lines_frame frame = {0};

	read_line(unit, address, &reader->answer, &frame);
	for (size_t i = count; i-- > 0;) {
		frame.name = add_text(&reader->answer, function_name(&chain[i]));
		frame.is_inlined = i > 0;
		add_frame(&reader->answer, &frame);
		frame = (struct lines_frame){0};
		if (i)
			read_call(unit, &chain[i], &reader->answer, &frame);
	}
}

static void look_up(struct line_reader *reader, uint64_t address)
{
	Dwarf_Die chain[LINES_MAX_FRAMES];
	struct line_unit *unit = line_index_find_unit(&reader->index, address);
	struct lines_frame frame = {0};

	if (!unit)
		return;
	Dwarf_Die *function = line_index_find_function(&reader->index, unit, address);
	if (function) {
		size_t count = find_chain(&reader->index, function, address, chain);

		add_chain(reader, unit, address, chain, count);
		return;
	}
	read_line(unit, address, &reader->answer, &frame);
	if (frame.line) /* assembly has lines and no functions */
		add_frame(&reader->answer, &frame);
}

/* The address of an offset in the file. Errors: -ENOENT it is not in code. */
static int find_address(const struct elf_file *file, uint64_t offset, uint64_t *address)
{
	for (size_t i = 0; i < file->segment_count; i++) {
		const struct module_segment *segment = &file->segments[i];

		if (offset < segment->offset || offset - segment->offset >= segment->size)
			continue;
		*address = segment->vaddr + (offset - segment->offset);
		return 0;
	}
	return -ENOENT;
}

static void look_up_all(struct line_reader *reader, const uint64_t *offsets, size_t count)
{
	struct answer *answer = &reader->answer;

	answer->addresses = memory_new(count * sizeof(*answer->addresses));
	for (size_t i = 0; i < count; i++) {
		size_t first = answer->frame_count;
		uint64_t address;

		if (!find_address(&reader->file, offsets[i], &address) &&
		    (first + LINES_MAX_FRAMES) * sizeof(*answer->frames) < LINES_MAX_BYTES / 4)
			look_up(reader, address);
		answer->addresses[i] = (struct lines_address){
			.first = (uint32_t)first,
			.count = (uint32_t)(answer->frame_count - first),
		};
	}
}

/* Lay the strings out one behind the other, and let the frames point to them. */
static char *lay_out_text(struct answer *answer, size_t *bytes)
{
	_cleanup_free_ uint32_t *places = memory_new(answer->strings.count * sizeof(*places));
	char *text = memory_new(answer->text_bytes + 1); /* and the empty string in front */
	size_t used = 0;

	for (uint32_t i = 0; i < answer->strings.count; i++) {
		const struct intern_string *string = &answer->strings.strings[i];

		places[i] = (uint32_t)used;
		memcpy(text + used, string->text, string->length + 1);
		used += string->length + 1;
	}
	for (size_t i = 0; i < answer->frame_count; i++) {
		answer->frames[i].name = places[answer->frames[i].name];
		answer->frames[i].file = places[answer->frames[i].file];
	}
	*bytes = used;
	return text;
}

static int write_answer(struct answer *answer, size_t count, int *fd)
{
	size_t text_bytes = 0;
	_cleanup_free_ char *text = lay_out_text(answer, &text_bytes);
	const struct lines_header header = {
		.magic = LINES_MAGIC,
		.address_count = (uint32_t)count,
		.frame_count = (uint32_t)answer->frame_count,
		.text_bytes = (uint32_t)text_bytes,
	};
	const struct image_piece pieces[] = {
		{&header, sizeof(header)},
		{answer->addresses, count * sizeof(*answer->addresses)},
		{answer->frames, answer->frame_count * sizeof(*answer->frames)},
		{text, text_bytes},
	};

	return image_write_pieces(pieces, ARRAY_SIZE(pieces), fd);
}

/* The alternate file belongs to the debug information when it has the build ID named there. */
static int open_alternate(struct line_reader *reader, int fd)
{
	const struct elf_file *source = reader->debug.handle ? &reader->debug : &reader->file;
	uint8_t wanted[MODULE_BUILD_ID_MAX], found[MODULE_BUILD_ID_MAX];
	char path[MODULE_DEBUGLINK_MAX];
	uint32_t length;

	if (elf_file_open_mapped(&reader->alternate, fd) ||
	    elf_file_altlink(source, path, wanted, &length) ||
	    elf_file_build_id(&reader->alternate, found) != length || memcmp(wanted, found, length))
		return -ENOENT;
	reader->alternate_dwarf = dwarf_begin_elf(reader->alternate.handle, DWARF_C_READ, NULL);
	if (!reader->alternate_dwarf)
		return -ENOENT;
	dwarf_setalt(reader->dwarf, reader->alternate_dwarf);
	return 0;
}

static int open_files(struct line_reader *reader, const struct line_files *files)
{
	int error = elf_file_open_mapped(&reader->file, files->file);
	Elf *handle = reader->file.handle;

	if (error)
		return error;
	if (files->debug >= 0 && !elf_file_open_mapped(&reader->debug, files->debug) &&
	    debug_file_belongs(&reader->debug, &reader->file))
		handle = reader->debug.handle;
	reader->dwarf = dwarf_begin_elf(handle, DWARF_C_READ, NULL);
	if (!reader->dwarf)
		return -ENODATA;
	/* Without the alternate file some names are missing, nothing else. */
	if (files->alternate >= 0 && open_alternate(reader, files->alternate))
		dwarf_setalt(reader->dwarf, NULL);
	return line_index_init(&reader->index, reader->dwarf, LINE_READER_MAX_VISITS);
}

int line_reader_read(const struct line_files *files, const uint64_t *offsets, size_t count,
		     int *answer)
{
	_cleanup_(line_reader_close) struct line_reader reader = {0};

	if (count > LINES_MAX_ADDRESSES)
		return -E2BIG;
	intern_init(&reader.answer.strings);
	int error = open_files(&reader, files);
	if (error)
		return error;
	look_up_all(&reader, offsets, count);
	return write_answer(&reader.answer, count, answer);
}
