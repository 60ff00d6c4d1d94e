/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int source_open(struct source *source, const char *path)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
					: open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	*source = (struct source){.fd = fd};
	return 0;
}

void source_close(struct source *source)
{
	if (source->fd >= 0)
		close(source->fd);
	free(source->buffer);
	*source = (struct source){.fd = -1};
}

/* Read once into the room behind the end. */
static int read_more(struct source *source, size_t room)
{
	if (source->start) {
		memmove(source->buffer, source->buffer + source->start,
			source->end - source->start);
		source->end -= source->start;
		source->start = 0;
	}
	source->buffer = memory_grow(source->buffer, &source->capacity, source->end + room, 1);
	for (;;) {
		ssize_t size = read(source->fd, source->buffer + source->end,
				    source->capacity - source->end);

		if (size < 0 && errno == EINTR)
			continue;
		if (size < 0)
			return -errno;
		source->is_at_end = size == 0;
		source->end += (size_t)size;
		return 0;
	}
}

int source_peek(struct source *source, const char **text, size_t *length)
{
	int error = 0;

	/* A pipe gives a little at a time. */
	while (!error && !source->is_at_end && source->end - source->start < SOURCE_PIECE_BYTES)
		error = read_more(source, SOURCE_PIECE_BYTES);
	*text = source->buffer + source->start;
	*length = source->end - source->start;
	return error;
}

int source_lines(struct source *source, const char **text, size_t *length)
{
	*length = 0;
	for (;;) {
		size_t waiting = source->end - source->start;
		const char *at = source->buffer + source->start;
		const char *last = waiting ? memrchr(at, '\n', waiting) : NULL;

		if (last || source->is_at_end) {
			*text = at;
			*length = last && !source->is_at_end ? (size_t)(last + 1 - at) : waiting;
			source->start += *length;
			return 0;
		}
		if (waiting > SOURCE_MAX_LINE)
			return -E2BIG;
		int error = read_more(source, SOURCE_PIECE_BYTES);
		if (error)
			return error;
	}
}

int source_whole(struct source *source, const char **text, size_t *length)
{
	int error = 0;

	while (!error && !source->is_at_end) {
		if (source->end - source->start > SOURCE_MAX_WHOLE)
			return -E2BIG;
		error = read_more(source, SOURCE_PIECE_BYTES);
	}
	*text = source->buffer + source->start;
	*length = source->end - source->start;
	source->start = source->end;
	return error;
}
