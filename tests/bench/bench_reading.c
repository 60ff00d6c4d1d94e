/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time that reading files takes as the elf reader does it, the names apart from the unwind rows:
 *
 *     bench_reading FILE...
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "daemon/elf/module_reader.h"
#include "daemon/elf/reader_message.h"

/* CPU time of one reading, 0 where the file cannot be read. Units: ns. */
static uint64_t read_file(const char *path, uint32_t want)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int image = -1;
	uint64_t start = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

	if (fd < 0 || module_reader_read(fd, -1, want, &image))
		return 0;
	return clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
}

int main(int argument_count, char **arguments)
{
	uint64_t names_ns = 0, both_ns = 0, files = 0;

	for (int i = 1; i < argument_count; i++) {
		uint64_t names = read_file(arguments[i], 0);

		names_ns += names;
		both_ns += read_file(arguments[i], READER_WANT_ROWS);
		files += names > 0;
	}
	printf("%llu files: %.3f s for names, %.3f s with unwind rows\n", (unsigned long long)files,
	       (double)names_ns / 1e9, (double)both_ns / 1e9);
	return 0;
}
