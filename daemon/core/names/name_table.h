/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as they stand in files and their readable form, by content, so that a template that ten
 * libraries carry is demangled once, ever. A mangled name is collected into a batch, which goes
 * through the elf reader as a memfd; until the answer is there, and if it never comes, the name is
 * shown as it is.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_NAME_TABLE_H
#define FLAME_DAEMON_CORE_NAMES_NAME_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/intern.h"
#include "common/memory.h"

#define NAME_TABLE_MAX_NAME 8192 /* bytes; longer names are cut */

struct name_table {
	struct intern raw;     /* names as in the files */
	uint32_t *readable;    /* by raw name: number in names */
	size_t readable_count; /* of raw names that have an entry in it */
	size_t readable_capacity;
	struct intern names;
};

/* Mangled names that are to be made readable together; zero-initialised is an empty one. */
struct name_batch {
	uint32_t *raws;
	uint32_t count;
	size_t capacity;
};

/* An empty table; what it holds is released by name_table_fini(). */
void name_table_init(struct name_table *table);
void name_table_fini(struct name_table *table);

/* Release what batch holds; it is empty afterwards. */
void name_batch_fini(struct name_batch *batch);

/* Learn name unless it is known; a mangled one joins the batch. */
void name_table_collect(struct name_table *table, const char *name, struct name_batch *batch);

/*
 * Write the batch into a new memfd, each name zero-terminated. Owned. Errors: as memfd_create(2).
 */
must_check int name_table_write(const struct name_table *table, const struct name_batch *batch);

/* Take the readable names of the batch out of fd, which stays the caller's, in the same order. */
void name_table_take(struct name_table *table, const struct name_batch *batch, int fd);

/* The readable form of a name that was collected, "" of one that was not. Borrowed. */
const char *name_table_find(const struct name_table *table, const char *name);

#endif
