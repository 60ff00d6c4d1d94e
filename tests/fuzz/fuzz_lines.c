/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/lines.h"
#include "tests/fuzz/target.h"

static volatile size_t sink;

/* The input is an answer as a reader that was taken over might send it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image_piece piece = {data, size};
	_cleanup_close_ int fd = -1;
	struct lines lines = {0};

	if (image_write_pieces(&piece, 1, &fd))
		abort();
	if (lines_open(&lines, fd))
		return 0;
	for (uint32_t i = 0; i < lines.header->address_count; i++) {
		const struct lines_address *address = &lines.addresses[i];

		for (uint32_t j = 0; j < address->count; j++) {
			const struct lines_frame *frame = &lines.frames[address->first + j];

			sink += strlen(lines.text + frame->name) + strlen(lines.text + frame->file);
		}
	}
	lines_close(&lines);
	return 0;
}
