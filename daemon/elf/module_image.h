/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The module image: what the elf reader makes of one file and hands to the core as a sealed memfd
 * that is mapped read-only. Sorted tables at 8-byte aligned offsets behind one header. It comes
 * from a process that read hostile bytes, so module_image_open() checks every bound once; after
 * that the accessors need no checks. Everything is keyed by file offset, which is what frames hold.
 */
#ifndef FLAME_DAEMON_ELF_MODULE_IMAGE_H
#define FLAME_DAEMON_ELF_MODULE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind_table.h"
#include "common/memory.h"

#define MODULE_IMAGE_MAGIC   UINT64_C(0x31656d616c66696d)
#define MODULE_IMAGE_MAX     (UINT64_C(512) << 20) /* bytes */
#define MODULE_BUILD_ID_MAX  64
#define MODULE_DEBUGLINK_MAX 256

/* A table inside the image: count elements at byte offset. */
struct module_image_table {
	uint64_t offset;
	uint64_t count;
};

enum module_flag {
	MODULE_IS_EXECUTABLE = 1,    /* a program rather than a shared library */
	MODULE_HAS_SYMTAB = 2,       /* .symtab was there (else .dynsym only) */
	MODULE_IS_PERF_MAP = 4,      /* made from a perf-PID.map: offsets are pcs */
	MODULE_HAS_DEBUG_FILE = 8,   /* .symtab came from the debug file */
	MODULE_DEBUG_REFUSED = 16,   /* the debug file does not belong to this file: ignored */
	MODULE_HAS_MINI_SYMTAB = 32, /* symbols of .gnu_debugdata are in */
	MODULE_IS_CUT = 64,          /* a limit was met: there is more in the file */
};

struct module_image_header {
	uint64_t magic;
	uint64_t size;    /* of the image, bytes */
	uint32_t flags;   /* enum module_flag */
	uint32_t machine; /* e_machine */
	uint32_t build_id_length;
	uint32_t debuglink_crc;
	uint8_t build_id[MODULE_BUILD_ID_MAX];
	char debuglink[MODULE_DEBUGLINK_MAX]; /* name in .gnu_debuglink, terminated, "": none */
	char altlink[MODULE_DEBUGLINK_MAX]; /* path in .gnu_debugaltlink, of the debug file first */
	uint8_t altlink_id[MODULE_BUILD_ID_MAX];
	uint32_t altlink_id_length;
	uint32_t skipped;                   /* symbols or lines that made no sense */
	struct module_image_table segments; /* struct module_segment, by file offset */
	struct module_image_table symbols;  /* struct module_symbol, by offset, not overlapping */
	struct module_image_table text;     /* bytes: names, each terminated */
	struct module_image_table pages;    /* struct unwind_page, by number */
	struct module_image_table cells;    /* struct unwind_cell, see bpf/unwind_table.h */
	struct module_image_table rules;    /* struct unwind_rule; none: rows were not asked for */
};

/* An executable load segment: file offset <-> vaddr. Not overlapping. */
struct module_segment {
	uint64_t offset;
	uint64_t size; /* bytes in the file */
	uint64_t vaddr;
};

struct module_symbol {
	uint64_t offset; /* in the file */
	uint32_t size;   /* bytes; never 0: the reader ends a symbol without size at the next one */
	uint32_t
		name; /* byte in text: the name as in the file, mangled; empty: a function without */
};

/* A mapped image. Zero-initialised is a valid image that was never opened. */
struct module_image {
	const struct module_image_header *header;
	const struct module_segment *segments;
	const struct module_symbol *symbols;
	const char *text;
	const struct unwind_page *pages;
	const struct unwind_cell *cells;
	const struct unwind_rule *rules;
};

/*
 * Map the image in fd (which stays the caller's) after checking seals, size and every table.
 * Errors: -EBADMSG when it is not a well-formed, sealed image.
 */
must_check int module_image_open(struct module_image *image, int fd);

/* Unmap; accepts an image that was never opened (all zero). */
void module_image_close(struct module_image *image);

/* Return the symbol that covers offset, or NULL. Borrowed (until close). */
const struct module_symbol *module_image_find(const struct module_image *image, uint64_t offset);

/* Return the unwind rule in force at offset, or NULL when the image has none for it. Borrowed. */
const struct unwind_rule *module_image_find_rule(const struct module_image *image, uint64_t offset);

/* Name of symbol. Borrowed (until close). */
static inline const char *module_image_name(const struct module_image *image,
					    const struct module_symbol *symbol)
{
	return image->text + symbol->name;
}

#endif
