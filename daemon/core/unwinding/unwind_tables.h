/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind rows of all modules where the kernel programs find them (bpf/unwind_table.h): put
 * there when a module was read, the module's entry last, so that a walk sees all of them or none.
 * Rows take what memory they need up to a limit, in shards that the broker makes; after that the
 * modules that no walk came by for longest give up theirs, and get them back when one does.
 */
#ifndef FLAME_DAEMON_CORE_UNWINDING_UNWIND_TABLES_H
#define FLAME_DAEMON_CORE_UNWINDING_UNWIND_TABLES_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define UNWIND_SHARD_BATCH 8  /* shards are asked for so many at a time: 2 MiB */
#define UNWIND_KEEP_S      10 /* tables that were in use so recently are not given up */

struct broker_client;
struct module;
struct module_table;
struct unwind_tables;

/* What the tables hold now, for `status`. */
struct unwind_usage {
	uint32_t modules; /* with rows in force */
	uint32_t waiting; /* that have rows, for which there is no room yet */
	uint64_t rules;   /* of all modules */
	uint64_t rows;
	uint64_t bytes;   /* of the shards */
	uint64_t evicted; /* modules, ever */
};

/*
 * Map the arrays of the broker's greeting (fds stay the caller's) and use at most limit_bytes for
 * rows. Broker and modules are borrowed for the tables' life. Errors: as mmap(2).
 */
must_check int unwind_tables_open(const int *fds, uint64_t limit_bytes,
				  struct broker_client *broker, struct module_table *modules,
				  struct unwind_tables **tables);
void unwind_tables_close(struct unwind_tables *tables);
DEFINE_CLEANUP(unwind_tables_close, struct unwind_tables)

/* Put the rows of a module that was read into force; one that is there already is left alone. */
void unwind_tables_add(struct unwind_tables *tables, const struct module *module);

/* The module cannot be read: walks go on by frame pointers there. */
void unwind_tables_add_bare(struct unwind_tables *tables, uint32_t number);

/* Take the module's rows away. Its number may be given to another one afterwards. */
void unwind_tables_remove(struct unwind_tables *tables, uint32_t number);

/*
 * Once a second: give room back that walks have left, bring back what is asked for again. now_ns is
 * the clock that the settings' now_s is set by.
 */
void unwind_tables_tick(struct unwind_tables *tables, uint64_t now_ns);

/* When a walk came to module number last, or its rows were put into force: seconds, as now_s. */
uint32_t unwind_tables_used_s(const struct unwind_tables *tables, uint32_t number);

/* What is held now. */
void unwind_tables_get_usage(const struct unwind_tables *tables, struct unwind_usage *usage);

#endif
