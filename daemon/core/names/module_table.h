/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules: the files that frames point into, by the number the kernel programs gave them. Each is
 * opened once, by the broker, when it is first announced, and read once, by the elf reader; if it
 * has no symbol table of its own its separate debug file is looked for, at last on servers (which
 * nobody waits for). What was read stays when the process, or the file, is gone.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_MODULE_TABLE_H
#define FLAME_DAEMON_CORE_NAMES_MODULE_TABLE_H

#include <stdint.h>

#include "bpf/record.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/elf/module_image.h"

enum module_state {
	MODULE_OPENING,
	MODULE_READING,
	MODULE_SEEKING_DEBUG, /* usable; its debug file may add names */
	MODULE_FETCHING,      /* as good as ready; a server may yet know more */
	MODULE_READY,
	MODULE_UNREADABLE, /* frames show as name+0x… */
};

struct module {
	uint32_t number; /* frame_module() */
	int is_jit;      /* offsets are pcs of one process */
	enum module_state state;
	int error;    /* of MODULE_UNREADABLE */
	uint32_t pid; /* a process that mapped it, with its start time */
	uint64_t start_time_ns;
	struct module_key key;
	char *path;                /* as the kernel saw it; "" when not known */
	const char *name;          /* base name, printable; borrowed from path */
	int fd;                    /* the file, -1 when it could not be opened */
	int debug_fd;              /* its separate debug file, -1: there is none */
	int alternate_fd;          /* what debug files share with it is there, -1: there is none */
	struct module_image image; /* all zero until there is one */
};

struct broker_client;
struct fetch_client;
struct module_table;
struct worker_client;

/* The clients are borrowed for the table's life. */
struct module_table *module_table_new(struct broker_client *broker, struct worker_client *reader,
				      struct fetch_client *fetch);
void module_table_free(struct module_table *table);
DEFINE_CLEANUP(module_table_free, struct module_table)

/* Have on_image called whenever a module got an image, on_settled when one needs no more waiting. */
void module_table_watch(struct module_table *table,
			void (*on_image)(void *context, const struct module *module),
			void (*on_settled)(void *context, const struct module *module),
			void *context);

/* A file was announced: open and read it. */
void module_table_add(struct module_table *table, const struct record_module *record);

/* Find module number; NULL when it was never announced. Borrowed (for the table's life). */
struct module *module_table_find(const struct module_table *table, uint32_t number);

/*
 * Make a module for the code that one process makes at run time (jit_maps.h), ready and without an
 * image; NULL when numbers have run out.
 */
struct module *module_table_new_jit(struct module_table *table);

/* Map the image in fd and make it the module's. Takes fd. Errors: as module_image_open(). */
must_check int module_table_set_image(struct module_table *table, struct module *module, int fd);

/* Nothing more is under way for module: those who waited for it go on. */
void module_table_settle(struct module_table *table, struct module *module);

/* Forget module, whose number may be given again. */
void module_table_remove(struct module_table *table, struct module *module);

/* Non-zero while names of module may still come. */
int module_is_pending(const struct module *module);

/* Non-zero when module has an image with symbols or rows. */
static inline int module_has_image(const struct module *module)
{
	return module->image.header != NULL;
}

/* How many debug files have come from servers: what was not known of a module may be known then. */
uint32_t module_table_fetched(const struct module_table *table);

/* How many there are, and how many of them could not be read. */
uint32_t module_table_count(const struct module_table *table, uint32_t *unreadable);

#endif
