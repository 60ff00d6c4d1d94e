/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the functions of a file are, as its call frame information tells: in order of offset, not
 * overlapping. Stripped files say no more of most of their functions than this.
 */
#ifndef FLAME_DAEMON_ELF_FUNCTION_LIST_H
#define FLAME_DAEMON_ELF_FUNCTION_LIST_H

#include <stddef.h>
#include <stdint.h>

struct function_range {
	uint64_t offset; /* in the file */
	uint64_t size;   /* bytes, at least one */
};

/* Zero-initialised is an empty list; free(ranges) releases it. */
struct function_list {
	struct function_range *ranges;
	size_t count;
	size_t capacity;
};

#endif
