/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/symbolizer.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/names/jit_maps.h"
#include "daemon/core/names/kallsyms.h"
#include "daemon/core/names/line_table.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/names/name_table.h"
#include "daemon/core/names/waker_names.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/core/workers/reader_client.h"

/* Kernel symbols change when modules or BPF programs are loaded: read again after this long. */
#define KALLSYMS_FRESH_NS (60 * NS_PER_SECOND)

struct symbolizer_wait {
	LIST_ENTRY(symbolizer_wait) entry;
	struct symbolizer *symbolizer;
	struct event *deadline;
	uint64_t *addresses;
	size_t count;
	uint32_t want;               /* enum symbolizer_want */
	int has_lines;               /* they have been asked for */
	void (*done)(void *context); /* NULL: cancelled */
	void *context;
	int is_past_deadline;
	int is_busy; /* the broker or the reader is at work for it */
};

LIST_HEAD(wait_list, symbolizer_wait);

struct symbolizer {
	struct event_base *base;
	struct module_table *modules;
	struct jit_maps *jit_maps;
	const struct waker_names *waker_names;
	struct broker_client *broker;
	struct worker_client *reader;
	struct line_table *lines;
	struct wait_list waits;
	struct kallsyms *kernel;
	uint64_t kernel_read_ns;
	struct name_table names;
	uint32_t batches; /* with the reader now */
};

/* A batch of names on its way through the reader. */
struct demangling {
	struct symbolizer_wait *wait;
	struct symbolizer *symbolizer;
	struct name_batch batch;
};

static void advance(struct symbolizer_wait *wait);
static void advance_all(struct symbolizer *symbolizer);

static void on_lines_settled(void *context)
{
	advance_all(context);
}

struct symbolizer *symbolizer_new(struct event_base *base, struct module_table *modules,
				  struct jit_maps *jit_maps, const struct waker_names *waker_names,
				  struct broker_client *broker, struct worker_client *reader)
{
	struct symbolizer *symbolizer = memory_new(sizeof(*symbolizer));

	symbolizer->base = base;
	symbolizer->modules = modules;
	symbolizer->jit_maps = jit_maps;
	symbolizer->waker_names = waker_names;
	symbolizer->broker = broker;
	symbolizer->reader = reader;
	symbolizer->lines = line_table_new(modules, reader, on_lines_settled, symbolizer);
	LIST_INIT(&symbolizer->waits);
	name_table_init(&symbolizer->names);
	return symbolizer;
}

static void free_wait(struct symbolizer_wait *wait)
{
	LIST_REMOVE(wait, entry);
	event_free(wait->deadline);
	free(wait->addresses);
	free(wait);
}

void symbolizer_free(struct symbolizer *symbolizer)
{
	struct symbolizer_wait *wait;

	if (!symbolizer)
		return;
	while ((wait = LIST_FIRST(&symbolizer->waits)))
		free_wait(wait);
	kallsyms_free(symbolizer->kernel);
	line_table_free(symbolizer->lines);
	name_table_fini(&symbolizer->names);
	free(symbolizer);
}

/* ---- Names as they are in the files ---- */

/* The symbol of a user address, NULL when there is none. */
static const struct module_symbol *find_symbol(const struct symbolizer *symbolizer,
					       uint64_t address, const struct module **module)
{
	*module = module_table_find(symbolizer->modules, frame_module(address));
	if (!*module || !module_has_image(*module))
		return NULL;
	return module_image_find(&(*module)->image, frame_offset(address));
}

/* The name of a user address as it is in the file, NULL when there is none. */
static const char *find_raw_name(const struct symbolizer *symbolizer, uint64_t address)
{
	const struct module *module;
	const struct module_symbol *symbol = find_symbol(symbolizer, address, &module);
	const char *name = symbol ? module_image_name(&module->image, symbol) : "";

	return *name ? name : NULL;
}

/* All names that address needs, the files of its lines too: they are text of the same kind. */
static void collect_names(struct symbolizer_wait *wait, uint64_t address, struct name_batch *batch)
{
	struct symbolizer *symbolizer = wait->symbolizer;
	const char *name = find_raw_name(symbolizer, address);
	uint32_t levels = wait->want ? line_table_count(symbolizer->lines, address) : 0;

	if (name)
		name_table_collect(&symbolizer->names, name, batch);
	for (uint32_t i = 0; i < levels; i++) {
		struct line_frame frame = line_table_frame(symbolizer->lines, address, i);

		name_table_collect(&symbolizer->names, frame.name, batch);
		name_table_collect(&symbolizer->names, frame.file, batch);
	}
}

/* ---- Demangling by the reader ---- */

static void free_demangling(struct demangling *demangling)
{
	name_batch_fini(&demangling->batch);
	free(demangling);
}

static void on_demangled(void *context, int error, int fd)
{
	struct demangling *demangling = context;
	struct symbolizer_wait *wait = demangling->wait;

	if (error == 0) {
		name_table_take(&demangling->symbolizer->names, &demangling->batch, fd);
		close(fd);
	} else if (error != -ECANCELED) {
		log_warn_errno(error, "Names could not be demangled");
	}
	free_demangling(demangling);
	if (error == -ECANCELED)
		return;
	wait->is_busy = 0;
	wait->symbolizer->batches--;
	advance_all(wait->symbolizer);
}

/* Returns 1 when the reader was asked, 0 when every name is there. */
static int demangle(struct symbolizer_wait *wait)
{
	struct symbolizer *symbolizer = wait->symbolizer;
	struct demangling *demangling = memory_new(sizeof(*demangling));
	struct name_batch *batch = &demangling->batch;

	demangling->wait = wait;
	demangling->symbolizer = symbolizer;
	for (size_t i = 0; i < wait->count; i++)
		collect_names(wait, wait->addresses[i], batch);
	int fd = batch->count ? name_table_write(&symbolizer->names, batch) : -1;
	if (fd < 0) {
		free_demangling(demangling);
		return 0;
	}
	wait->is_busy = 1;
	symbolizer->batches++;
	reader_client_send(symbolizer->reader, READER_DEMANGLE, 0, &fd, 1, on_demangled,
			   demangling);
	return 1;
}

/* ---- Kernel names ---- */

static void on_kallsyms(void *context, int error, const int *fds, size_t fd_count)
{
	struct symbolizer_wait *wait = context;
	struct kallsyms *kernel;

	if (error == -ECANCELED)
		return;
	if (!error && fd_count == 1)
		error = kallsyms_read(fds[0], &kernel);
	else if (!error)
		error = -EPROTO;
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
	wait->symbolizer->kernel_read_ns = clock_boot_ns();
	if (error) {
		log_warn_errno(error, "Kernel names cannot be read");
	} else {
		kallsyms_free(wait->symbolizer->kernel);
		wait->symbolizer->kernel = kernel;
	}
	wait->is_busy = 0;
	advance(wait);
}

static int needs_kernel_names(const struct symbolizer_wait *wait)
{
	const struct symbolizer *symbolizer = wait->symbolizer;
	uint64_t age_ns = clock_boot_ns() - symbolizer->kernel_read_ns;

	if (symbolizer->kernel_read_ns && age_ns < KALLSYMS_FRESH_NS)
		return 0;
	for (size_t i = 0; i < wait->count; i++)
		if (frame_module(wait->addresses[i]) == MODULE_KERNEL)
			return 1;
	return 0;
}

/* ---- Waiting ---- */

static int waits_for_module(const struct symbolizer_wait *wait)
{
	uint32_t last = MODULE_NONE;

	for (size_t i = 0; i < wait->count; i++) {
		uint32_t number = frame_module(wait->addresses[i]);
		const struct module *module;

		if (number == last)
			continue;
		last = number;
		module = module_table_find(wait->symbolizer->modules, number);
		if (module && module_is_pending(module))
			return 1;
	}
	return 0;
}

/* Names that another question asked for are waited for as well: the batch counts, not who sent it. */
static int can_advance(const struct symbolizer_wait *wait)
{
	return !wait->is_busy && wait->symbolizer->batches == 0 &&
	       !(wait->has_lines && line_table_is_pending(wait->symbolizer->lines)) &&
	       (!wait->done || wait->is_past_deadline || !waits_for_module(wait));
}

/* Go on with wait as far as possible; finishes it when nothing is left to wait for. */
static void advance(struct symbolizer_wait *wait)
{
	if (!can_advance(wait))
		return;
	if (!wait->done) {
		free_wait(wait);
		return;
	}
	if (wait->want && !wait->has_lines) {
		wait->has_lines = 1;
		line_table_prepare(wait->symbolizer->lines, wait->addresses, wait->count);
		if (line_table_is_pending(wait->symbolizer->lines))
			return;
	}
	if (needs_kernel_names(wait)) {
		struct broker_request request = {.type = BROKER_OPEN_KALLSYMS};

		wait->is_busy = 1;
		broker_client_send(wait->symbolizer->broker, &request, on_kallsyms, wait);
		return;
	}
	if (demangle(wait))
		return;
	void (*done)(void *context) = wait->done;
	void *context = wait->context;
	free_wait(wait);
	done(context);
}

/* An advance finishes a wait or makes it busy, and may start or cancel others: look afresh. */
static void advance_all(struct symbolizer *symbolizer)
{
	struct symbolizer_wait *wait = LIST_FIRST(&symbolizer->waits);

	while (wait) {
		if (can_advance(wait)) {
			advance(wait);
			wait = LIST_FIRST(&symbolizer->waits);
		} else {
			wait = LIST_NEXT(wait, entry);
		}
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *context)
{
	struct symbolizer_wait *wait = context;

	(void)fd;
	(void)what;
	wait->is_past_deadline = 1;
	advance(wait);
}

/* Code made at run time is made all the time: look once whether its map has grown. */
static void refresh_jit(struct symbolizer *symbolizer, const uint64_t *addresses, size_t count)
{
	uint32_t last = MODULE_NONE;

	for (size_t i = 0; i < count; i++) {
		uint32_t number = frame_module(addresses[i]);

		if (number != last)
			jit_maps_refresh(symbolizer->jit_maps, number);
		last = number;
	}
}

static int is_waiting(const struct symbolizer *symbolizer, const struct symbolizer_wait *wanted)
{
	const struct symbolizer_wait *wait;

	LIST_FOREACH(wait, &symbolizer->waits, entry)
	if (wait == wanted)
		return 1;
	return 0;
}

static int compare_addresses(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return left < right ? -1 : left > right;
}

struct symbolizer_wait *symbolizer_prepare(struct symbolizer *symbolizer, uint64_t *addresses,
					   size_t count, uint32_t want, void (*done)(void *context),
					   void *context)
{
	struct symbolizer_wait *wait = memory_new(sizeof(*wait));
	struct timeval limit = {.tv_sec = SYMBOLIZER_WAIT_MS / 1000,
				.tv_usec = SYMBOLIZER_WAIT_MS % 1000 * 1000};

	/* In order, so that neighbours share their module and its pages. */
	if (count > 1)
		qsort(addresses, count, sizeof(*addresses), compare_addresses);
	wait->symbolizer = symbolizer;
	wait->addresses = addresses;
	wait->count = count;
	wait->want = want;
	wait->done = done;
	wait->context = context;
	wait->deadline = evtimer_new(symbolizer->base, on_deadline, wait);
	event_add(wait->deadline, &limit);
	LIST_INSERT_HEAD(&symbolizer->waits, wait, entry);
	/* A map that cannot be opened settles at once: that must not finish what is being set up. */
	wait->is_busy = 1;
	refresh_jit(symbolizer, addresses, count);
	wait->is_busy = 0;
	advance(wait);
	return is_waiting(symbolizer, wait) ? wait : NULL;
}

void symbolizer_cancel(struct symbolizer_wait *wait)
{
	if (!wait)
		return;
	wait->done = NULL;
	if (!wait->is_busy)
		free_wait(wait);
}

int symbolizer_forget_addresses(struct symbolizer *symbolizer)
{
	return line_table_forget(symbolizer->lines);
}

void symbolizer_on_module_settled(struct symbolizer *symbolizer)
{
	advance_all(symbolizer);
}

/* ---- The answer ---- */

static void name_kernel(const struct symbolizer *symbolizer, uint64_t address,
			struct symbol_name *name)
{
	name->kind = FRAME_KERNEL;
	name->module = "kernel";
	name->name = symbolizer->kernel ? kallsyms_find(symbolizer->kernel, address, &name->module)
					: NULL;
	if (name->name)
		return;
	snprintf(name->buffer, sizeof(name->buffer), "[kernel]");
	name->name = name->buffer;
}

/*
 * No name: module and the address that addr2line or a disassembler would take; where the function
 * begins if that much is known, so that its samples stay together.
 */
static void name_by_offset(const struct symbolizer *symbolizer, uint64_t address,
			   struct symbol_name *name)
{
	const struct module *module;
	const struct module_symbol *function = find_symbol(symbolizer, address, &module);
	uint64_t offset = function ? function->offset : frame_offset(address);
	uint64_t vaddr = offset;

	if (module_has_image(module)) {
		const struct module_image_header *header = module->image.header;

		for (uint64_t i = 0; i < header->segments.count; i++) {
			const struct module_segment *segment = &module->image.segments[i];

			if (offset >= segment->offset && offset - segment->offset < segment->size)
				vaddr = offset - segment->offset + segment->vaddr;
		}
	}
	snprintf(name->buffer, sizeof(name->buffer), "%.400s+0x%llx",
		 *module->name ? module->name : "[unknown file]", (unsigned long long)vaddr);
	name->name = name->buffer;
	name->kind = FRAME_UNKNOWN;
}

static void name_in_module(const struct symbolizer *symbolizer, uint64_t address,
			   struct symbol_name *name)
{
	const struct module *module = module_table_find(symbolizer->modules, frame_module(address));

	if (!module) {
		snprintf(name->buffer, sizeof(name->buffer), "[unknown]+0x%llx",
			 (unsigned long long)frame_offset(address));
		name->name = name->buffer;
		name->kind = FRAME_UNKNOWN;
		return;
	}
	name->module = module->name;
	if (module->is_jit)
		name->kind = FRAME_JIT;
	else
		name->kind = module_has_image(module) &&
					     module->image.header->flags & MODULE_IS_EXECUTABLE
				     ? FRAME_USER
				     : FRAME_LIBRARY;
	const char *raw_name = find_raw_name(symbolizer, address);
	name->name = raw_name ? name_table_find(&symbolizer->names, raw_name) : "";
	if (*name->name)
		return;
	if (module->is_jit)
		name->name = "[jit]";
	else
		name_by_offset(symbolizer, address, name);
}

static void name_address(const struct symbolizer *symbolizer, uint64_t address,
			 struct symbol_name *name)
{
	switch (frame_module(address)) {
	case MODULE_NONE:
		name->name = "[jit]";
		name->kind = FRAME_JIT;
		break;
	case MODULE_MARK:
		name->name = frame_mark_name((enum frame_mark)frame_offset(address));
		name->kind = frame_mark_kind((enum frame_mark)frame_offset(address));
		break;
	case MODULE_NAME:
		name->name = waker_names_text(symbolizer->waker_names, address);
		name->kind = FRAME_PROCESS;
		break;
	case MODULE_KERNEL:
		name_kernel(symbolizer, address, name);
		break;
	default:
		name_in_module(symbolizer, address, name);
		break;
	}
}

uint32_t symbolizer_depth(const struct symbolizer *symbolizer, uint64_t address, uint32_t want)
{
	uint32_t levels =
		want & SYMBOLIZER_INLINED ? line_table_count(symbolizer->lines, address) : 0;

	return levels ? levels : 1;
}

void symbolizer_name(const struct symbolizer *symbolizer, uint64_t address, uint32_t level,
		     uint32_t want, struct symbol_name *name)
{
	uint32_t levels = want ? line_table_count(symbolizer->lines, address) : 0;

	*name = (struct symbol_name){.module = "", .file = ""};
	name_address(symbolizer, address, name);
	if (levels == 0)
		return;
	struct line_frame frame = line_table_frame(symbolizer->lines, address, levels - 1 - level);
	if (want & SYMBOLIZER_LINES) {
		name->file = name_table_find(&symbolizer->names, frame.file);
		name->line = frame.line;
	}
	/* The function that is there keeps the name of its symbol, as without lines. */
	if (level == 0 && name->kind != FRAME_UNKNOWN)
		return;
	const char *function = name_table_find(&symbolizer->names, frame.name);
	if (!*function)
		return;
	name->name = function;
	if (level > 0)
		name->kind = FRAME_INLINED;
}
