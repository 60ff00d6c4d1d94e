/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/image_writer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "daemon/elf/sealed_file.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static int create_memfd(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("module-image", flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* kernels before 6.3 */
		fd = memfd_create("module-image", flags);
	return fd < 0 ? -errno : fd;
}

static int write_at(int fd, const void *bytes, size_t size, uint64_t offset)
{
	const char *at = bytes;

	while (size) {
		ssize_t written = pwrite(fd, at, size, (off_t)offset);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		at += written;
		offset += (uint64_t)written;
		size -= (size_t)written;
	}
	return 0;
}

/* Give table its place at the end of the image, 8-byte aligned. */
static int place_table(struct module_image_header *header, struct module_image_table *place,
		       size_t count, size_t element)
{
	uint64_t bytes;

	place->offset = header->size;
	place->count = count;
	if (__builtin_mul_overflow((uint64_t)count, (uint64_t)element, &bytes) ||
	    bytes > MODULE_IMAGE_MAX - header->size)
		return -E2BIG;
	header->size = (header->size + bytes + 7) & ~UINT64_C(7);
	return header->size > MODULE_IMAGE_MAX ? -E2BIG : 0;
}

int image_write(const struct module_image_header *header, const struct image_tables *tables,
		int *result)
{
	struct module_image_header placed = *header;
	const struct {
		const struct image_table *table;
		struct module_image_table *place;
		size_t element;
	} layout[] = {
		{&tables->segments, &placed.segments, sizeof(struct module_segment)},
		{&tables->symbols, &placed.symbols, sizeof(struct module_symbol)},
		{&tables->text, &placed.text, 1},
		{&tables->pages, &placed.pages, sizeof(struct unwind_page)},
		{&tables->cells, &placed.cells, sizeof(struct unwind_cell)},
		{&tables->rules, &placed.rules, sizeof(struct unwind_rule)},
	};
	_cleanup_close_ int fd = -1;
	int error = 0;

	placed.magic = MODULE_IMAGE_MAGIC;
	placed.size = sizeof(placed);
	for (size_t i = 0; i < ARRAY_SIZE(layout) && !error; i++)
		error = place_table(&placed, layout[i].place, layout[i].table->count,
				    layout[i].element);
	if (error)
		return error;

	fd = create_memfd();
	if (fd < 0)
		return fd;
	if (ftruncate(fd, (off_t)placed.size))
		return -errno;
	error = write_at(fd, &placed, sizeof(placed), 0);
	for (size_t i = 0; i < ARRAY_SIZE(layout) && !error; i++)
		error = write_at(fd, layout[i].table->elements,
				 layout[i].table->count * layout[i].element,
				 layout[i].place->offset);
	if (error)
		return error;
	if (fcntl(fd, F_ADD_SEALS, SEALED_FILE_SEALS))
		return -errno;
	*result = steal_fd(&fd);
	return 0;
}

int image_write_pieces(const struct image_piece *pieces, size_t count, int *result)
{
	_cleanup_close_ int fd = create_memfd();
	uint64_t offset = 0;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < count; i++) {
		int error = write_at(fd, pieces[i].bytes, pieces[i].size, offset);

		if (error)
			return error;
		offset += pieces[i].size;
	}
	if (fcntl(fd, F_ADD_SEALS, SEALED_FILE_SEALS))
		return -errno;
	*result = steal_fd(&fd);
	return 0;
}
