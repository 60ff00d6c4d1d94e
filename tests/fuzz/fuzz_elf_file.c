/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "common/cleanup.h"
#include "daemon/elf/elf_file.h"
#include "daemon/elf/module_reader.h"
#include "daemon/elf/reader_message.h"
#include "tests/fuzz/target.h"

/* Whatever the file says, an image made of it holds what module_image_open() demands. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(elf_file_close) struct elf_file file = {0};
	_cleanup_close_ int image_fd = -1;
	struct module_image image = {0};

	if (elf_file_open_memory(&file, data, size) ||
	    module_reader_read_file(&file, NULL, READER_WANT_ROWS, &image_fd))
		return 0;
	if (module_image_open(&image, image_fd))
		abort();
	module_image_close(&image);
	return 0;
}
