/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines and inlined functions, as the elf reader answers READER_LINES and the core reads it:
 * for each offset that was asked a chain of frames, the innermost inlined function first, the
 * function that really is there last. It comes from a process that read hostile bytes, so
 * lines_open() checks every bound once.
 *
 * Text is as it stands in the file: names may be mangled, nothing is known to be UTF-8.
 */
#ifndef FLAME_DAEMON_ELF_LINES_H
#define FLAME_DAEMON_ELF_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define LINES_MAGIC         UINT64_C(0x73656e696c616c66)
#define LINES_MAX_ADDRESSES 65536
#define LINES_MAX_FRAMES    64 /* of one address; outer ones beyond that are left out */
#define LINES_MAX_BYTES     (UINT32_C(64) << 20)

/* Followed by the addresses in the order asked, the frames, and the text. */
struct lines_header {
	uint64_t magic;
	uint32_t address_count;
	uint32_t frame_count;
	uint32_t text_bytes;
	uint32_t reserved;
};

struct lines_address {
	uint32_t first; /* frame */
	uint32_t count; /* frames; 0: nothing is known */
};

/* Strings are bytes in text; 0 is the empty one: not known. */
struct lines_frame {
	uint32_t name; /* of the function */
	uint32_t file; /* path as the compiler was given it */
	uint32_t
		line; /* in file, where the code is or the next inner function was inlined; 0: not */
	/* known */
	uint32_t is_inlined;
};

/* A mapped answer. Zero-initialised is a valid one that was never opened. */
struct lines {
	const struct lines_header *header;
	const struct lines_address *addresses;
	const struct lines_frame *frames;
	const char *text;
	size_t size; /* bytes */
};

/*
 * Map the answer in fd (which stays the caller's) after checking seals, size and every bound.
 * Errors: -EBADMSG when it is not a well-formed, sealed answer.
 */
must_check int lines_open(struct lines *lines, int fd);

/* Unmap; accepts an answer that was never opened (all zero). */
void lines_close(struct lines *lines);

#endif
