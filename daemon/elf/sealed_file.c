/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/sealed_file.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

int sealed_file_map(int fd, uint64_t least, uint64_t most, void **memory, size_t *size)
{
	struct stat status;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALED_FILE_SEALS) != SEALED_FILE_SEALS)
		return -EBADMSG;
	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size < 0 ||
	    (uint64_t)status.st_size < least || (uint64_t)status.st_size > most)
		return -EBADMSG;
	void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	*memory = mapped;
	*size = (size_t)status.st_size;
	return 0;
}
