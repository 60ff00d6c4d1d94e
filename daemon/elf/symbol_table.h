/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the symbols of a file, which overlap, repeat and lack sizes, into a table in which each
 * offset has at most one name: candidates are added in any order, then the table is finished.
 *
 * Of candidates at the same offset the best is kept: one with a size before one without, code
 * before a mere label, a current version before a kept old one, global before weak before local,
 * fewer leading underscores, the longer name. Of candidates that overlap the one that starts later
 * wins its range and the earlier one continues behind it. One without a size ends at the next one.
 */
#ifndef FLAME_DAEMON_ELF_SYMBOL_TABLE_H
#define FLAME_DAEMON_ELF_SYMBOL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/elf/function_list.h"
#include "daemon/elf/module_image.h"

#define SYMBOL_TABLE_MAX_SYMBOLS (UINT32_C(8) << 20)
#define SYMBOL_TABLE_MAX_TEXT    (UINT32_C(256) << 20) /* bytes */
#define SYMBOL_TABLE_MAX_NAME    65535                 /* bytes; longer names are cut */

enum symbol_binding { SYMBOL_LOCAL, SYMBOL_WEAK, SYMBOL_GLOBAL };

struct symbol_candidate {
	uint64_t offset;
	uint64_t size;      /* 0: not known */
	uint64_t limit;     /* where a symbol without size ends at the latest */
	const char *name;   /* borrowed until symbol_table_finish(); need not be terminated */
	size_t name_length; /* bytes; 0: not a symbol */
	uint8_t is_code;    /* a function, not just a label */
	uint8_t is_old_version;
	uint8_t binding; /* enum symbol_binding */
};

struct symbol_entry {
	uint64_t offset;
	uint64_t end; /* of one without size: the limit */
	const char *name;
	uint32_t rank; /* the higher the better */
	uint32_t name_length;
	uint32_t text;  /* where the name is in text; UINT32_MAX: not copied */
	uint32_t order; /* of adding */
};

/* Initialise with zeros. */
struct symbol_table {
	struct symbol_entry *entries;
	size_t entry_count;
	size_t entry_capacity;
	struct module_symbol *symbols; /* the result */
	size_t symbol_count;
	size_t symbol_capacity;
	char *text;
	size_t text_bytes;
	size_t text_capacity;
	int latest_wins; /* set before adding: whoever was added later wins its whole range */
	int is_cut;      /* a limit was met */
};

/* Release what the table holds. */
void symbol_table_fini(struct symbol_table *table);

/* Add a candidate; one that makes no sense (empty, wrapping) is left out. */
void symbol_table_add(struct symbol_table *table, const struct symbol_candidate *candidate);

/*
 * Make symbols and text from what was added. Order: symbols by offset, not overlapping, none of
 * size 0. The borrowed names are not needed any more afterwards.
 */
void symbol_table_finish(struct symbol_table *table);

/*
 * Add the functions that no symbol names to a finished table, with an empty name: all code of one
 * belongs together, even where nobody knows what it is called. One that begins inside a named
 * symbol is part of that; one that a named symbol begins in ends there.
 */
void symbol_table_add_unnamed(struct symbol_table *table, const struct function_list *functions);

#endif
