/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/perf_map.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/frame.h"
#include "daemon/elf/image_writer.h"
#include "daemon/elf/whole_file.h"

static int hex_digit(char character)
{
	if (character >= '0' && character <= '9')
		return character - '0';
	character |= 0x20;
	return character >= 'a' && character <= 'f' ? character - 'a' + 10 : -1;
}

/* Read a number, with or without 0x, and the space behind it. *text moves behind both. */
static int read_hex(const char **text, const char *end, uint64_t *value)
{
	const char *at = *text;
	uint64_t number = 0;

	if (end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x')
		at += 2;
	const char *first = at;
	for (; at < end && hex_digit(*at) >= 0; at++) {
		if (number >> 60)
			return -ERANGE;
		number = number << 4 | (uint64_t)hex_digit(*at);
	}
	if (at == first || at == end || (*at != ' ' && *at != '\t'))
		return -EINVAL;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	*text = at;
	*value = number;
	return 0;
}

static int add_line(const char *line, const char *end, struct symbol_table *table)
{
	struct symbol_candidate candidate = {.is_code = 1};

	while (end > line && (end[-1] == '\r' || end[-1] == ' '))
		end--;
	if (read_hex(&line, end, &candidate.offset) || read_hex(&line, end, &candidate.size))
		return -EINVAL;
	if (line == end || !candidate.size || candidate.offset > FRAME_OFFSET_MASK ||
	    candidate.size > FRAME_OFFSET_MASK - candidate.offset)
		return -EINVAL;
	candidate.name = line;
	candidate.name_length = strnlen(line, (size_t)(end - line));
	symbol_table_add(table, &candidate);
	return 0;
}

uint32_t perf_map_parse(const char *text, size_t size, struct symbol_table *table)
{
	const char *end = text + size;
	uint32_t skipped = 0;

	table->latest_wins = 1;
	for (const char *line = text; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline)
			break;
		if (add_line(line, newline, table))
			skipped++;
		line = newline + 1;
	}
	symbol_table_finish(table);
	return skipped;
}

int perf_map_read(int fd, int *image_fd)
{
	_cleanup_(symbol_table_fini) struct symbol_table symbols = {0};
	struct module_image_header header = {.flags = MODULE_IS_PERF_MAP};
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int error = whole_file_read(fd, PERF_MAP_MAX_BYTES, &text, &size);

	if (error)
		return error;
	header.skipped = perf_map_parse(text, size, &symbols);
	header.flags |= symbols.is_cut ? MODULE_IS_CUT : 0;

	const struct image_tables tables = {
		.symbols = {symbols.symbols, symbols.symbol_count},
		.text = {symbols.text, symbols.text_bytes},
	};
	return image_write(&header, &tables, image_fd);
}
