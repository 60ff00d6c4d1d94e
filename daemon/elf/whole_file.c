/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/whole_file.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

int whole_file_read(int fd, uint64_t most, char **bytes, size_t *size)
{
	_cleanup_free_ char *content = NULL;
	struct stat status;
	size_t used = 0;

	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	if (status.st_size < 0 || (uint64_t)status.st_size > most)
		return -E2BIG;
	content = memory_new((size_t)status.st_size);
	while (used < (size_t)status.st_size) {
		ssize_t count =
			pread(fd, content + used, (size_t)status.st_size - used, (off_t)used);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		if (!count)
			break;
		used += (size_t)count;
	}
	*bytes = steal_ptr(&content);
	*size = used;
	return 0;
}
