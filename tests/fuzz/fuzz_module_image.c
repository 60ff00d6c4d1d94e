/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/module_image.h"
#include "tests/fuzz/target.h"

static volatile size_t sink;

/* Touch all that the core may touch of an image that was accepted. */
static void use(const struct module_image *image)
{
	for (uint64_t i = 0; i < image->header->symbols.count; i++) {
		const struct module_symbol *symbol = &image->symbols[i];

		if (module_image_find(image, symbol->offset) != symbol)
			abort();
		sink += strlen(module_image_name(image, symbol));
	}
	for (uint64_t i = 0; i < image->header->pages.count; i++) {
		const struct unwind_page *page = &image->pages[i];
		uint64_t start = (uint64_t)page->number << UNWIND_PAGE_BITS;

		for (uint64_t offset = 0; offset < UNWIND_PAGE_BYTES; offset += 997) {
			const struct unwind_rule *rule =
				module_image_find_rule(image, start + offset);

			sink += rule ? rule->cfa : 0;
		}
	}
	sink += strlen(image->header->debuglink) + strlen(image->header->altlink);
}

/* The input is an image as a reader that was taken over might send it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct image_piece piece = {data, size};
	_cleanup_close_ int fd = -1;
	struct module_image image = {0};

	if (image_write_pieces(&piece, 1, &fd))
		abort();
	if (module_image_open(&image, fd))
		return 0;
	use(&image);
	module_image_close(&image);
	return 0;
}
