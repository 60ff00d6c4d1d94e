/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/elf_sample.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

int elf_sample_open(const char *name)
{
	const char *folder = getenv("FLAME_ELF_SAMPLES");
	_cleanup_free_ char *path = memory_format("%s/%s", folder ? folder : ".", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s: %s (FLAME_ELF_SAMPLES names the folder)", path, strerror(errno));
	return fd;
}
