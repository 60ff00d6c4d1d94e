/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts tables that were made from a file behind one another into a sealed memfd: the module image
 * (module_image.h). The writer of the pair; the core uses only the reader.
 */
#ifndef FLAME_DAEMON_ELF_IMAGE_WRITER_H
#define FLAME_DAEMON_ELF_IMAGE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/elf/module_image.h"

/* Elements of one table, borrowed until the image is written. */
struct image_table {
	const void *elements;
	size_t count;
};

struct image_tables {
	struct image_table segments; /* struct module_segment */
	struct image_table symbols;  /* struct module_symbol */
	struct image_table text;     /* bytes */
	struct image_table pages;    /* struct unwind_page */
	struct image_table cells;    /* struct unwind_cell */
	struct image_table rules;    /* struct unwind_rule */
};

/*
 * Write header, whose magic, size and tables are filled in here, and tables into a new sealed memfd
 * *fd. Owned (close). Errors: -E2BIG when it would be larger than MODULE_IMAGE_MAX.
 */
must_check int image_write(const struct module_image_header *header,
			   const struct image_tables *tables, int *fd);

/* Bytes, borrowed. */
struct image_piece {
	const void *bytes;
	size_t size;
};

/* Write pieces one behind the other into a new sealed memfd *fd. Owned (close). */
must_check int image_write_pieces(const struct image_piece *pieces, size_t count, int *fd);

#endif
