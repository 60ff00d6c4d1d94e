/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/module_image.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/elf/sealed_file.h"

/* Check that a table lies between the header and the end, aligned; *first is its first element. */
static int check_table(const struct module_image_header *header,
		       const struct module_image_table *table, size_t element, const void **first)
{
	uint64_t bytes;

	if (table->offset % 8 || table->offset < sizeof(*header) || table->offset > header->size ||
	    __builtin_mul_overflow(table->count, (uint64_t)element, &bytes) ||
	    bytes > header->size - table->offset)
		return -EBADMSG;
	*first = (const unsigned char *)header + table->offset;
	return 0;
}

static int check_header(const struct module_image_header *header, uint64_t size)
{
	if (header->magic != MODULE_IMAGE_MAGIC || header->size != size ||
	    header->build_id_length > MODULE_BUILD_ID_MAX ||
	    header->altlink_id_length > MODULE_BUILD_ID_MAX ||
	    !memchr(header->debuglink, 0, sizeof(header->debuglink)) ||
	    !memchr(header->altlink, 0, sizeof(header->altlink)))
		return -EBADMSG;
	return 0;
}

static int check_segments(const struct module_segment *segments, uint64_t count)
{
	uint64_t end = 0;

	for (uint64_t i = 0; i < count; i++) {
		if (segments[i].offset < end ||
		    __builtin_add_overflow(segments[i].offset, segments[i].size, &end))
			return -EBADMSG;
	}
	return 0;
}

static int check_symbols(const struct module_symbol *symbols, uint64_t count, const char *text,
			 uint64_t text_bytes)
{
	uint64_t end = 0;

	if (text_bytes && text[text_bytes - 1])
		return -EBADMSG;
	for (uint64_t i = 0; i < count; i++) {
		if (symbols[i].offset < end || !symbols[i].size || symbols[i].name >= text_bytes ||
		    __builtin_add_overflow(symbols[i].offset, (uint64_t)symbols[i].size, &end))
			return -EBADMSG;
	}
	return 0;
}

/* Check that what leads through a block leads nowhere else, and that each part's rows ascend. */
static int check_block(const uint16_t *words, uint32_t count, uint64_t rule_count)
{
	const uint16_t *low = words + UNWIND_PARTS;
	const uint16_t *high = low + count;
	uint32_t row = 0;

	for (uint32_t part = 0; part < UNWIND_PARTS; part++) {
		uint32_t first = row;

		if (words[part] < row || words[part] > count)
			return -EBADMSG;
		for (; row < words[part]; row++) {
			uint32_t bits = (high[row / 2] >> (row & 1) * 8) & 255U;
			uint32_t rule =
				bits << UNWIND_ROW_LOW_BITS | (low[row] & UNWIND_ROW_LOW_MASK);

			if (rule >= rule_count ||
			    (row > first && low[row] >> UNWIND_ROW_LOW_BITS <= low[row - 1] >>
						    UNWIND_ROW_LOW_BITS))
				return -EBADMSG;
		}
	}
	return row == count ? 0 : -EBADMSG;
}

static int check_pages(const struct module_image_header *header, const struct unwind_page *pages,
		       const struct unwind_cell *cells)
{
	uint64_t end = 0;

	if (header->rules.count > UNWIND_MAX_RULES)
		return -EBADMSG;
	for (uint64_t i = 0; i < header->pages.count; i++) {
		const struct unwind_page *page = &pages[i];

		/* each block in one page at most, so that checking takes no quadratic time */
		if ((i && page->number <= page[-1].number) || page->first < end || !page->count ||
		    page->count > UNWIND_MAX_ROWS)
			return -EBADMSG;
		end = (uint64_t)page->first + unwind_block_cells(page->count);
		if (end > header->cells.count ||
		    check_block(cells[page->first].words, page->count, header->rules.count))
			return -EBADMSG;
	}
	return 0;
}

static int check_image(struct module_image *image)
{
	const struct module_image_header *header = image->header;
	const void *segments, *symbols, *text, *pages, *cells, *rules;

	if (check_table(header, &header->segments, sizeof(*image->segments), &segments) ||
	    check_table(header, &header->symbols, sizeof(*image->symbols), &symbols) ||
	    check_table(header, &header->text, 1, &text) ||
	    check_table(header, &header->pages, sizeof(*image->pages), &pages) ||
	    check_table(header, &header->cells, sizeof(*image->cells), &cells) ||
	    check_table(header, &header->rules, sizeof(*image->rules), &rules) ||
	    check_segments(segments, header->segments.count) ||
	    check_symbols(symbols, header->symbols.count, text, header->text.count) ||
	    check_pages(header, pages, cells))
		return -EBADMSG;
	image->segments = segments;
	image->symbols = symbols;
	image->text = text;
	image->pages = pages;
	image->cells = cells;
	image->rules = rules;
	return 0;
}

int module_image_open(struct module_image *image, int fd)
{
	void *memory;
	size_t size;
	int error = sealed_file_map(fd, sizeof(struct module_image_header), MODULE_IMAGE_MAX,
				    &memory, &size);

	if (error)
		return error;
	struct module_image opened = {.header = memory};
	if (check_header(opened.header, size) || check_image(&opened)) {
		munmap(memory, size);
		return -EBADMSG;
	}
	*image = opened;
	return 0;
}

void module_image_close(struct module_image *image)
{
	if (image->header) {
		union {
			const struct module_image_header *header;
			void *memory;
		} mapping = {.header = image->header};

		munmap(mapping.memory, image->header->size);
	}
	*image = (struct module_image){0};
}

const struct module_symbol *module_image_find(const struct module_image *image, uint64_t offset)
{
	const struct module_symbol *symbols = image->symbols;
	size_t low = 0;
	size_t high = image->header->symbols.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || offset - symbols[low - 1].offset >= symbols[low - 1].size)
		return NULL;
	return &symbols[low - 1];
}

static const struct unwind_page *find_page(const struct module_image *image, uint64_t number)
{
	size_t low = 0;
	size_t high = image->header->pages.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (image->pages[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < image->header->pages.count && image->pages[low].number == number
		       ? &image->pages[low]
		       : NULL;
}

const struct unwind_rule *module_image_find_rule(const struct module_image *image, uint64_t offset)
{
	const struct unwind_page *page = find_page(image, offset >> UNWIND_PAGE_BITS);
	uint32_t rule;

	if (!page)
		return NULL;
	rule = unwind_block_find(image->cells[page->first].words, UINT32_MAX, 0, page->count,
				 (uint32_t)offset);
	return rule == UNWIND_RULE_NONE ? NULL : &image->rules[rule];
}
