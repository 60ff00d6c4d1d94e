/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/call_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "daemon/elf/encoded_address.h"

#define ADDRESS_BYTES 8

static struct byte_cursor cursor_at(const struct call_frame_section *section, size_t position,
				    size_t size)
{
	return (struct byte_cursor){
		.at = section->bytes + position,
		.end = section->bytes + position + size,
	};
}

/* A record of the section: a common entry or a frame. */
struct record {
	size_t start;
	size_t content; /* behind the length */
	size_t end;
	int is_wide; /* numbers that say where something is take 8 bytes */
};

/* Read the length of the record at position. Errors: -ENOENT the end, or it makes no sense. */
static int read_record(const struct call_frame_section *section, size_t position,
		       struct record *record)
{
	struct byte_cursor cursor = cursor_at(section, position, section->size - position);
	uint64_t length = byte_cursor_u32(&cursor);

	record->start = position;
	record->is_wide = length == UINT32_MAX;
	if (record->is_wide)
		length = byte_cursor_u64(&cursor);
	if (cursor.is_overrun || length > byte_cursor_left(&cursor))
		return -ENOENT;
	record->content = (size_t)(cursor.at - section->bytes);
	record->end = record->content + (size_t)length;
	return 0;
}

static uint64_t read_id(struct byte_cursor *cursor, const struct record *record)
{
	return record->is_wide ? byte_cursor_u64(cursor) : byte_cursor_u32(cursor);
}

/* Read what the letters of an augmentation announce. Errors: -EOPNOTSUPP an unknown letter. */
static int read_augmentation(struct byte_cursor *cursor, const char *letters,
			     struct call_frame_common *common)
{
	uint64_t ignored;
	uint8_t encoding;

	for (; *letters; letters++) {
		switch (*letters) {
		case 'L':
			byte_cursor_u8(cursor);
			break;
		case 'P':
			encoding = byte_cursor_u8(cursor);
			/* where it points to does not matter, only how long it is */
			if (encoded_address_read(cursor, encoding & ENCODED_ADDRESS_FORM, 0,
						 &ignored))
				return -EOPNOTSUPP;
			break;
		case 'R':
			common->encoding = byte_cursor_u8(cursor);
			break;
		case 'S':
			common->is_signal = 1;
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* Read the head of a common entry, up to its instructions. Errors: -EOPNOTSUPP. */
static int read_common_head(struct byte_cursor *cursor, struct call_frame_common *common)
{
	uint8_t version = byte_cursor_u8(cursor);
	const char *letters = (const char *)cursor->at;
	uint64_t return_register;

	byte_cursor_skip(cursor, strnlen(letters, byte_cursor_left(cursor)) + 1);
	if (cursor->is_overrun || (version != 1 && version != 3 && version != 4))
		return -EOPNOTSUPP;
	if (version == 4 && (byte_cursor_u8(cursor) != ADDRESS_BYTES || byte_cursor_u8(cursor)))
		return -EOPNOTSUPP;
	if (letters[0] == 'e' && letters[1] == 'h') {
		byte_cursor_skip(cursor, ADDRESS_BYTES);
		letters += 2;
	}
	common->code_factor = byte_cursor_uleb(cursor);
	common->data_factor = byte_cursor_sleb(cursor);
	return_register = version == 1 ? byte_cursor_u8(cursor) : byte_cursor_uleb(cursor);
	if (return_register != UNWIND_RIP || cursor->is_overrun)
		return -EOPNOTSUPP;
	if (*letters != 'z')
		return *letters ? -EOPNOTSUPP : 0;
	common->has_augmentation = 1;
	struct byte_cursor data = byte_cursor_block(cursor);
	return read_augmentation(&data, letters + 1, common) || data.is_overrun ? -EOPNOTSUPP : 0;
}

static void read_common(const struct call_frame_section *section, size_t position,
			struct call_frame_common *common)
{
	struct frame_program program = {.limit = UINT64_MAX};
	struct record record;

	*common = (struct call_frame_common){.position = (uint32_t)position, .is_known = 1};
	if (read_record(section, position, &record))
		return;
	struct byte_cursor cursor = cursor_at(section, record.content, record.end - record.content);
	if (read_id(&cursor, &record) || read_common_head(&cursor, common))
		return;
	program.instructions = cursor;
	program.code_factor = common->code_factor;
	program.data_factor = common->data_factor;
	program.is_signal = common->is_signal;
	frame_program_run(&program, &common->rule, NULL, NULL);
	common->is_usable = 1;
}

static void find_common(const struct call_frame_section *section, size_t position,
			struct call_frame_common *common)
{
	if (!common->is_known || common->position != position)
		read_common(section, position, common);
}

/* Read the frame in record. Errors: -ENOENT it is none, or makes no sense. */
static int read_frame(const struct call_frame_section *section, const struct record *record,
		      struct call_frame_common *common, struct call_frame *frame)
{
	struct byte_cursor cursor =
		cursor_at(section, record->content, record->end - record->content);
	uint64_t distance = read_id(&cursor, record);

	if (!distance || distance > record->content || cursor.is_overrun)
		return -ENOENT;
	frame->common = (uint32_t)(record->content - distance);
	find_common(section, frame->common, common);
	if (!common->is_usable)
		return -ENOENT;
	uint64_t vaddr = section->vaddr + (uint64_t)(cursor.at - section->bytes);
	if (encoded_address_read(&cursor, common->encoding, vaddr, &frame->vaddr) ||
	    encoded_address_read(&cursor, common->encoding & ENCODED_ADDRESS_FORM, 0, &frame->size))
		return -ENOENT;
	if (common->has_augmentation)
		byte_cursor_block(&cursor);
	if (cursor.is_overrun)
		return -ENOENT;
	frame->instructions = (uint32_t)(cursor.at - section->bytes);
	frame->instruction_size = (uint32_t)byte_cursor_left(&cursor);
	return 0;
}

int call_frame_next(const struct call_frame_section *section, size_t *position,
		    struct call_frame_common *common, struct call_frame *frame)
{
	struct record record;

	while (*position < section->size && !read_record(section, *position, &record)) {
		*position = record.end;
		/* Files that come with the C library put records of no length in mid-section. */
		if (record.content == record.end) {
			if (section->ends_at_zero)
				return 0;
			continue;
		}
		if (!read_frame(section, &record, common, frame))
			return 1;
	}
	return 0;
}

void call_frame_run(const struct call_frame_section *section, const struct call_frame *frame,
		    struct call_frame_common *common, frame_program_on_rule *on_rule, void *context)
{
	find_common(section, frame->common, common);
	const struct frame_program program = {
		.instructions = cursor_at(section, frame->instructions, frame->instruction_size),
		.code_factor = common->code_factor,
		.data_factor = common->data_factor,
		.is_signal = common->is_signal,
		.limit = frame->size,
		.first = common->rule,
	};

	frame_program_run(&program, NULL, on_rule, context);
}
