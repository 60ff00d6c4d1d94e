/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/line_reader.h"
#include "daemon/elf/lines.h"
#include "tests/fuzz/target.h"

/* Whatever the debug information says, the answer holds what lines_open() demands. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image_piece piece = {data, size};
	_cleanup_close_ int file = -1;
	_cleanup_close_ int answer = -1;
	struct lines lines = {0};
	uint64_t offsets[128];

	if (image_write_pieces(&piece, 1, &file))
		abort();
	for (size_t i = 0; i < 128; i++)
		offsets[i] = 0x1000 + 9 * i;
	const struct line_files files = {file, -1, -1};
	if (line_reader_read(&files, offsets, 128, &answer))
		return 0;
	if (lines_open(&lines, answer))
		abort();
	lines_close(&lines);
	return 0;
}
