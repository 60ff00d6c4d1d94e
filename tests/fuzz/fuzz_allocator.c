/* SPDX-License-Identifier: Apache-2.0 */
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/allocator_reader.h"
#include "daemon/elf/elf_file.h"
#include "tests/fuzz/target.h"

/* Whatever the file says: as many functions as there is room for, places in the file, and names that end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(elf_file_close) struct elf_file file = {0};
	struct allocator_function functions[HEAP_MAX_SITES];
	int count;

	if (elf_file_open_memory(&file, data, size))
		return 0;
	count = allocator_find(&file, functions);
	if (count > (int)HEAP_MAX_SITES)
		abort();
	for (int i = 0; i < count; i++) {
		if (functions[i].site >= size || functions[i].function >= HEAP_FUNCTION_COUNT ||
		    !memchr(functions[i].name, 0, sizeof(functions[i].name)))
			abort();
	}
	return 0;
}
