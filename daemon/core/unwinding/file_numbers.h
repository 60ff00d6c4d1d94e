/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of modules where no kernel program gives them: one for each file that is mapped, by what
 * the kernel tells of it with the mapping. A number is never given to another file.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_FILE_NUMBERS_H
#define FLAME_DAEMON_CORE_UNWINDING_FILE_NUMBERS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

struct file_numbers;

/* Who the file is. */
struct file_identity {
	uint64_t inode;
	uint64_t generation; /* of the inode, which may be used again; 0: not known */
	uint32_t device;     /* kernel coding */
};

/* No file has a number yet. Owned (file_numbers_free). */
struct file_numbers *file_numbers_new(void);
void file_numbers_free(struct file_numbers *numbers);
DEFINE_CLEANUP(file_numbers_free, struct file_numbers)

/*
 * The number of a file, given to it now when is_new says so; MODULE_NONE when there is none left.
 * Where the generation is not known, on either side, the inode alone counts.
 */
uint32_t file_numbers_get(struct file_numbers *numbers, const struct file_identity *file,
			  int *is_new);

#endif
