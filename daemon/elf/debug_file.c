/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/debug_file.h"

#include <errno.h>
#include <lzma.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES (UINT32_C(256) << 10)

/* The checksum of .gnu_debuglink is the CRC-32 that xz uses too. */
static int checksum(int fd, uint32_t *crc)
{
	_cleanup_free_ uint8_t *bytes = memory_new(READ_BYTES);
	off_t offset = 0;

	*crc = 0;
	for (;;) {
		ssize_t count = pread(fd, bytes, READ_BYTES, offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : 0;
		*crc = lzma_crc32(bytes, (size_t)count, *crc);
		offset += count;
	}
}

int debug_file_belongs(const struct elf_file *debug, const struct elf_file *file)
{
	uint8_t ids[2][MODULE_BUILD_ID_MAX];
	char name[MODULE_DEBUGLINK_MAX];
	uint32_t expected, crc;

	if (debug->header.e_machine != file->header.e_machine ||
	    debug->header.e_ident[EI_CLASS] != file->header.e_ident[EI_CLASS])
		return 0;
	uint32_t length = elf_file_build_id(file, ids[0]);
	uint32_t debug_length = elf_file_build_id(debug, ids[1]);
	if (length && debug_length)
		return length == debug_length && !memcmp(ids[0], ids[1], length);
	return debug->fd >= 0 && !elf_file_debuglink(file, name, &expected) &&
	       !checksum(debug->fd, &crc) && crc == expected;
}
