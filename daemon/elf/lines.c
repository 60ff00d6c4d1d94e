/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/lines.h"

#include <errno.h>
#include <sys/mman.h>

#include "daemon/elf/sealed_file.h"

static int check_frames(const struct lines *lines)
{
	const struct lines_header *header = lines->header;

	for (uint32_t i = 0; i < header->address_count; i++) {
		const struct lines_address *address = &lines->addresses[i];

		if (address->first > header->frame_count ||
		    address->count > header->frame_count - address->first ||
		    address->count > LINES_MAX_FRAMES)
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < header->frame_count; i++) {
		if (lines->frames[i].name >= header->text_bytes ||
		    lines->frames[i].file >= header->text_bytes)
			return -EBADMSG;
	}
	return 0;
}

static int check(struct lines *lines)
{
	const struct lines_header *header = lines->header;
	uint64_t size = sizeof(*header);

	size += header->address_count * (uint64_t)sizeof(*lines->addresses);
	size += header->frame_count * (uint64_t)sizeof(*lines->frames);
	size += header->text_bytes;
	if (header->magic != LINES_MAGIC || header->address_count > LINES_MAX_ADDRESSES ||
	    size != lines->size)
		return -EBADMSG;
	lines->addresses = (const struct lines_address *)(header + 1);
	lines->frames = (const struct lines_frame *)(lines->addresses + header->address_count);
	lines->text = (const char *)(lines->frames + header->frame_count);
	if (!header->text_bytes || lines->text[0] || lines->text[header->text_bytes - 1])
		return -EBADMSG;
	return check_frames(lines);
}

int lines_open(struct lines *lines, int fd)
{
	struct lines opened = {0};
	void *memory;
	int error =
		sealed_file_map(fd, sizeof(*opened.header), LINES_MAX_BYTES, &memory, &opened.size);

	if (error)
		return error;
	opened.header = memory;
	error = check(&opened);
	if (error) {
		munmap(memory, opened.size);
		return error;
	}
	*lines = opened;
	return 0;
}

void lines_close(struct lines *lines)
{
	if (lines->header) {
		union {
			const struct lines_header *header;
			void *memory;
		} mapping = {.header = lines->header};

		munmap(mapping.memory, lines->size);
	}
	*lines = (struct lines){0};
}
