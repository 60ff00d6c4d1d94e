/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frame addresses to names. Names are made when a question needs them: symbolizer_prepare() waits
 * for module images that are still on their way (SYMBOLIZER_WAIT_MS at most), reads kallsyms, and
 * has mangled names demangled by the elf reader, each once ever; after that symbolizer_name()
 * answers at once.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_SYMBOLIZER_H
#define FLAME_DAEMON_CORE_NAMES_SYMBOLIZER_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/frame.h"
#include "common/memory.h"

#define SYMBOLIZER_WAIT_MS   3000
#define SYMBOLIZER_NAME_SIZE 512

/* What a question wants to know beside the names of functions. */
enum symbolizer_want {
	SYMBOLIZER_LINES = 1,
	SYMBOLIZER_INLINED = 2,
};

/*
 * The name of an address. Texts are valid until the next symbolizer_prepare(), or point into
 * buffer.
 */
struct symbol_name {
	const char *name;
	const char *module; /* "": none */
	const char *file;   /* of the source, "": not known or not wanted */
	uint32_t line;      /* in file, 0: not known or not wanted */
	enum frame_kind kind;
	char buffer[SYMBOLIZER_NAME_SIZE];
};

struct broker_client;
struct event_base;
struct jit_maps;
struct module_table;
struct waker_names;
struct worker_client;
struct symbolizer;
struct symbolizer_wait;

/* The collaborators are borrowed for the symbolizer's life. */
struct symbolizer *symbolizer_new(struct event_base *base, struct module_table *modules,
				  struct jit_maps *jit_maps, const struct waker_names *waker_names,
				  struct broker_client *broker, struct worker_client *reader);
void symbolizer_free(struct symbolizer *symbolizer);
DEFINE_CLEANUP(symbolizer_free, struct symbolizer)

/*
 * Make the names of count addresses ready, and what else is wanted (enum symbolizer_want). Takes
 * addresses (allocated). done is called once, before or after the return; NULL is returned when it was called already, else what
 * symbolizer_cancel() takes.
 */
struct symbolizer_wait *symbolizer_prepare(struct symbolizer *symbolizer, uint64_t *addresses,
					   size_t count, uint32_t want, void (*done)(void *context),
					   void *context);

/* Stop waiting; done is not called any more. */
void symbolizer_cancel(struct symbolizer_wait *wait);

/*
 * Forget what was found out about addresses, because the number of a module is about to mean another
 * one. Errors: -EBUSY while something is looked up.
 */
must_check int symbolizer_forget_addresses(struct symbolizer *symbolizer);

/* A module needs no more waiting: who waited for it may go on. */
void symbolizer_on_module_settled(struct symbolizer *symbolizer);

/*
 * Return how many levels address has: the function that is there, and those that were inlined at
 * the place if they are wanted.
 */
uint32_t symbolizer_depth(const struct symbolizer *symbolizer, uint64_t address, uint32_t want);

/*
 * Name a level of address, outermost (0) first; always gives a name, "libfoo.so+0x1a2b" when there
 * is no better one.
 */
void symbolizer_name(const struct symbolizer *symbolizer, uint64_t address, uint32_t level,
		     uint32_t want, struct symbol_name *name);

#endif
