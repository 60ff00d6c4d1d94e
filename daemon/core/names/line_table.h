/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source lines and inlined functions of frame addresses, looked up by the elf reader when a
 * question asks for them, each address once. At most LINE_TABLE_MAX_ADDRESSES are remembered.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_LINE_TABLE_H
#define FLAME_DAEMON_CORE_NAMES_LINE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define LINE_TABLE_MAX_ADDRESSES (1U << 20)

/* A level of source at an address. Texts are as in the file, borrowed until the next prepare. */
struct line_frame {
	const char *name; /* of the function, maybe mangled; "": not known */
	const char *file; /* "": not known */
	uint32_t line;    /* 0: not known */
	int is_inlined;
};

struct line_table;
struct module_table;
struct worker_client;

/*
 * The collaborators are borrowed for the table's life; on_settled is called whenever nothing is
 * pending any more.
 */
struct line_table *line_table_new(struct module_table *modules, struct worker_client *reader,
				  void (*on_settled)(void *context), void *context);
void line_table_free(struct line_table *table);
DEFINE_CLEANUP(line_table_free, struct line_table)

/* Have what is not known yet of count addresses looked up; they are in order. */
void line_table_prepare(struct line_table *table, const uint64_t *addresses, size_t count);

/*
 * Forget everything, because an address may mean something else from now on. Errors: -EBUSY while the
 * reader is at work.
 */
must_check int line_table_forget(struct line_table *table);

/* Non-zero while the reader is at work. */
int line_table_is_pending(const struct line_table *table);

/* Return how many levels there are at address, 0 when nothing is known of it. */
uint32_t line_table_count(const struct line_table *table, uint64_t address);

/* Level i of address, the innermost inlined function first, the function that is there last. */
struct line_frame line_table_frame(const struct line_table *table, uint64_t address, uint32_t i);

#endif
