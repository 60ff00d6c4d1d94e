/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/kallsyms.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "common/intern.h"

struct symbol {
	uint64_t address;
	uint32_t name;   /* byte in names */
	uint32_t module; /* in modules */
};

struct kallsyms {
	struct symbol *symbols;
	uint32_t count;
	size_t capacity;
	char *names;
	size_t names_used;
	size_t names_capacity;
	struct intern modules;
};

void kallsyms_free(struct kallsyms *symbols)
{
	if (!symbols)
		return;
	free(symbols->symbols);
	free(symbols->names);
	intern_fini(&symbols->modules);
	free(symbols);
}

/* A line: "ffffffff81000000 T _stext" or "ffffffffc0000000 t ext4_init\t[ext4]". */
struct line {
	uint64_t address;
	char type;
	const char *name;
	size_t name_length;
	const char *module; /* NULL: the kernel itself */
	size_t module_length;
};

static int parse_line(const char *text, const char *end, struct line *line)
{
	uint64_t address = 0;
	const char *at = text;

	for (; at < end && isxdigit((unsigned char)*at); at++)
		address =
			address << 4 | (uint64_t)(isdigit((unsigned char)*at)
							  ? *at - '0'
							  : tolower((unsigned char)*at) - 'a' + 10);
	if (at == text || at - text > 16 || end - at < 4 || at[0] != ' ' || at[2] != ' ')
		return -EBADMSG;
	*line = (struct line){.address = address, .type = at[1], .name = at + 3};
	at += 3;
	while (at < end && *at != '\t' && *at != ' ')
		at++;
	line->name_length = (size_t)(at - line->name);
	const char *open = at < end ? memchr(at, '[', (size_t)(end - at)) : NULL;
	const char *close = open ? memchr(open, ']', (size_t)(end - open)) : NULL;
	if (close) {
		line->module = open + 1;
		line->module_length = (size_t)(close - open - 1);
	}
	return line->name_length ? 0 : -EBADMSG;
}

static void add_symbol(struct kallsyms *symbols, const struct line *line)
{
	uint32_t number = symbols->count++;

	symbols->symbols = memory_grow(symbols->symbols, &symbols->capacity, symbols->count,
				       sizeof(*symbols->symbols));
	symbols->names = memory_grow(symbols->names, &symbols->names_capacity,
				     symbols->names_used + line->name_length + 1, 1);
	memcpy(symbols->names + symbols->names_used, line->name, line->name_length);
	symbols->names[symbols->names_used + line->name_length] = 0;
	symbols->symbols[number] = (struct symbol){
		.address = line->address,
		.name = (uint32_t)symbols->names_used,
		.module = line->module
				  ? intern_add(&symbols->modules, line->module, line->module_length)
				  : intern_add_text(&symbols->modules, "kernel"),
	};
	symbols->names_used += line->name_length + 1;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct symbol *left = a, *right = b;

	if (left->address != right->address)
		return left->address < right->address ? -1 : 1;
	/* Stable: of aliases the first in the file is found. */
	return left->name < right->name ? -1 : left->name > right->name;
}

int kallsyms_parse(const char *text, size_t length, struct kallsyms **result)
{
	_cleanup_(kallsyms_freep) struct kallsyms *symbols = memory_new(sizeof(*symbols));
	const char *end = text + length;
	int hidden = 0;

	intern_init(&symbols->modules);
	while (text < end) {
		const char *line_end = memchr(text, '\n', (size_t)(end - text));
		struct line line;

		if (!line_end)
			line_end = end;
		if (!parse_line(text, line_end, &line) && strchr("tTwW", line.type)) {
			if (line.address)
				add_symbol(symbols, &line);
			else
				hidden = 1;
		}
		text = line_end + (line_end < end);
	}
	if (symbols->count == 0)
		return hidden ? -EPERM : -EBADMSG;
	qsort(symbols->symbols, symbols->count, sizeof(*symbols->symbols), compare_symbols);
	*result = steal_ptr(&symbols);
	return 0;
}

int kallsyms_read(int fd, struct kallsyms **symbols)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0, capacity = 0;

	for (;;) {
		text = memory_grow(text, &capacity, length + 65536, 1);
		ssize_t count = read(fd, text + length, capacity - length);

		if (count < 0)
			return -errno;
		if (count == 0)
			break;
		length += (size_t)count;
		if (length > KALLSYMS_MAX_BYTES)
			return -E2BIG;
	}
	return kallsyms_parse(text, length, symbols);
}

const char *kallsyms_find(const struct kallsyms *symbols, uint64_t address, const char **module)
{
	uint32_t low = 0, high = symbols->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (symbols->symbols[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	/* Of several names for one address the first in the file. */
	uint32_t found = low - 1;
	while (found > 0 && symbols->symbols[found - 1].address == symbols->symbols[found].address)
		found--;
	*module = intern_text(&symbols->modules, symbols->symbols[found].module);
	return symbols->names + symbols->symbols[found].name;
}

int kallsyms_locate(const struct kallsyms *symbols, const char *name, uint64_t *address,
		    uint64_t *end)
{
	for (uint32_t i = 0; i < symbols->count; i++) {
		uint32_t next = i + 1;

		if (strcmp(symbols->names + symbols->symbols[i].name, name) != 0)
			continue;
		*address = symbols->symbols[i].address;
		while (next < symbols->count && symbols->symbols[next].address == *address)
			next++;
		*end = next < symbols->count ? symbols->symbols[next].address : *address;
		return 0;
	}
	return -ENOENT;
}

uint32_t kallsyms_count(const struct kallsyms *symbols)
{
	return symbols->count;
}
