/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/name_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/utf8.h"

/* What the reader may answer for a batch of names. */
#define MAX_DEMANGLED_BYTES (64 << 20)

void name_table_init(struct name_table *table)
{
	*table = (struct name_table){0};
	intern_init(&table->raw);
	intern_init(&table->names);
}

void name_table_fini(struct name_table *table)
{
	intern_fini(&table->raw);
	intern_fini(&table->names);
	free(table->readable);
}

void name_batch_fini(struct name_batch *batch)
{
	free(batch->raws);
	*batch = (struct name_batch){0};
}

/* The prefixes of C++ (also on systems that add an underscore), Rust and D. */
static int is_mangled(const char *name)
{
	return name[0] == '_' && (name[1] == 'Z' || name[1] == 'R' || name[1] == 'D' ||
				  (name[1] == '_' && name[2] == 'Z'));
}

static size_t raw_length(const char *name)
{
	return strnlen(name, NAME_TABLE_MAX_NAME);
}

static uint32_t intern_clean(struct name_table *table, const char *text, size_t length)
{
	_cleanup_free_ char *clean = memory_new(length * UTF8_MAX_GROWTH + 1);
	size_t clean_length = utf8_clean(clean, length * UTF8_MAX_GROWTH + 1, text, length);

	return intern_add(&table->names, clean, clean_length);
}

static void set_readable(struct name_table *table, uint32_t raw, uint32_t name)
{
	table->readable = memory_grow(table->readable, &table->readable_capacity, (size_t)raw + 1,
				      sizeof(uint32_t));
	while (table->readable_count <= raw)
		table->readable[table->readable_count++] = HASHMAP_NONE;
	table->readable[raw] = name;
}

static uint32_t find_readable(const struct name_table *table, uint32_t raw)
{
	return raw < table->readable_count ? table->readable[raw] : HASHMAP_NONE;
}

void name_table_collect(struct name_table *table, const char *name, struct name_batch *batch)
{
	size_t length = raw_length(name);

	if (intern_find(&table->raw, name, length) != HASHMAP_NONE)
		return;
	uint32_t raw = intern_add(&table->raw, name, length);
	/* Until the reader has answered, and if it fails, the name is shown as it is. */
	set_readable(table, raw, intern_clean(table, name, length));
	if (!is_mangled(name))
		return;
	batch->raws =
		memory_grow(batch->raws, &batch->capacity, batch->count + 1, sizeof(uint32_t));
	batch->raws[batch->count++] = raw;
}

int name_table_write(const struct name_table *table, const struct name_batch *batch)
{
	int fd = memfd_create("flame-names", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	_cleanup_fclose_ FILE *file = fd >= 0 ? fdopen(dup(fd), "w") : NULL;

	if (!file) {
		if (fd >= 0)
			close(fd);
		return -errno;
	}
	for (uint32_t i = 0; i < batch->count; i++)
		fwrite(intern_text(&table->raw, batch->raws[i]), 1,
		       table->raw.strings[batch->raws[i]].length + 1, file);
	return fd;
}

void name_table_take(struct name_table *table, const struct name_batch *batch, int fd)
{
	struct stat status;

	if (fstat(fd, &status) || status.st_size <= 0 || status.st_size > MAX_DEMANGLED_BYTES)
		return;
	size_t size = (size_t)status.st_size;
	/* A read, not a mapping: the reader could cut a file short that is not sealed. */
	_cleanup_free_ char *text = memory_new(size + 1);
	if (pread(fd, text, size, 0) != status.st_size)
		return;
	/* What is missing at the end keeps its raw form. */
	const char *at = text;
	for (uint32_t i = 0; i < batch->count && at < text + size; i++) {
		size_t length = strlen(at);

		if (length > 0)
			set_readable(table, batch->raws[i], intern_clean(table, at, length));
		at += length + 1;
	}
}

const char *name_table_find(const struct name_table *table, const char *name)
{
	uint32_t raw = intern_find(&table->raw, name, raw_length(name));
	uint32_t readable = raw != HASHMAP_NONE ? find_readable(table, raw) : HASHMAP_NONE;

	return readable != HASHMAP_NONE ? intern_text(&table->names, readable) : "";
}
