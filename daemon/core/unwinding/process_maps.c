/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/process_maps.h"

#include <errno.h>
#include <string.h>

#include "common/memory.h"

/* What is left of a line. */
struct text {
	const char *at;
	const char *end;
};

/* Read a number up to the separator, which is passed over. Errors: -EBADMSG. */
static int read_number(struct text *text, unsigned int base, char separator, uint64_t *value)
{
	const char *start = text->at;
	uint64_t number = 0;

	for (; text->at < text->end && *text->at != separator; text->at++) {
		char digit = *text->at;
		uint64_t worth = digit >= '0' && digit <= '9'   ? (uint64_t)(digit - '0')
				 : digit >= 'a' && digit <= 'f' ? (uint64_t)(digit - 'a' + 10)
								: 16;

		if (worth >= base || number > (UINT64_MAX - worth) / base)
			return -EBADMSG;
		number = number * base + worth;
	}
	if (text->at == start || text->at == text->end)
		return -EBADMSG;
	text->at++;
	*value = number;
	return 0;
}

/* "start-end perms offset major:minor inode  name" */
static int read_line(struct text text, struct process_map *map)
{
	uint64_t major, minor;
	int error = read_number(&text, 16, '-', &map->start);

	if (!error)
		error = read_number(&text, 16, ' ', &map->end);
	if (error || text.end - text.at < 5 || text.at[2] != 'x')
		return -EBADMSG;
	text.at += 5;
	error = read_number(&text, 16, ' ', &map->offset);
	if (!error)
		error = read_number(&text, 16, ':', &major);
	if (!error)
		error = read_number(&text, 16, ' ', &minor);
	if (!error)
		error = read_number(&text, 10, ' ', &map->inode);
	if (error || !map->inode || map->start >= map->end || major > UINT32_MAX ||
	    minor > UINT32_MAX)
		return -EBADMSG;
	map->device_major = (uint32_t)major;
	map->device_minor = (uint32_t)minor;
	return 0;
}

size_t process_maps_parse(const char *text, size_t length, struct process_map *maps,
			  size_t capacity)
{
	const char *end = text + length;
	size_t count = 0;

	while (text < end && count < capacity) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		struct process_map map;

		if (!line_end)
			break; /* cut off */
		if (!read_line((struct text){text, line_end}, &map))
			maps[count++] = map;
		text = line_end + 1;
	}
	return count;
}

int process_map_is_same_file(const struct process_map *one, const struct process_map *other)
{
	return one->inode == other->inode && one->device_major == other->device_major &&
	       one->device_minor == other->device_minor;
}
