/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/line_table.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "common/frame.h"
#include "common/intern.h"
#include "common/log.h"
#include "common/memory.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/workers/reader_client.h"
#include "daemon/elf/lines.h"

struct entry {
	uint64_t address;
	uint32_t first; /* in frames */
	uint32_t count;
};

struct frame {
	uint32_t name; /* in texts */
	uint32_t file;
	uint32_t line;
	uint32_t is_inlined;
};

struct line_table {
	struct module_table *modules;
	struct worker_client *reader;
	void (*on_settled)(void *context);
	void *context;
	uint32_t pending;       /* requests with the reader */
	uint32_t fetched_count; /* debug files that had been fetched at the last clearing */
	struct entry *entries;
	uint32_t entry_count;
	size_t entry_capacity;
	struct hashmap index;
	struct frame *frames;
	uint32_t frame_count;
	size_t frame_capacity;
	struct intern texts;
};

/* Addresses of one module that the reader looks up. */
struct lookup {
	struct line_table *table;
	uint32_t first; /* entry; the others follow */
	uint32_t count;
};

struct line_table *line_table_new(struct module_table *modules, struct worker_client *reader,
				  void (*on_settled)(void *context), void *context)
{
	struct line_table *table = memory_new(sizeof(*table));

	table->modules = modules;
	table->reader = reader;
	table->on_settled = on_settled;
	table->context = context;
	intern_init(&table->texts);
	return table;
}

void line_table_free(struct line_table *table)
{
	if (!table)
		return;
	free(table->entries);
	free(table->frames);
	hashmap_fini(&table->index);
	intern_fini(&table->texts);
	free(table);
}

int line_table_is_pending(const struct line_table *table)
{
	return table->pending > 0;
}

static const struct entry *find(const struct line_table *table, uint64_t address)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->index, hash_u64(address), &cursor);
	     i != HASHMAP_NONE; i = hashmap_next(&table->index, &cursor))
		if (table->entries[i].address == address)
			return &table->entries[i];
	return NULL;
}

uint32_t line_table_count(const struct line_table *table, uint64_t address)
{
	const struct entry *entry = find(table, address);

	return entry ? entry->count : 0;
}

struct line_frame line_table_frame(const struct line_table *table, uint64_t address, uint32_t i)
{
	const struct entry *entry = find(table, address);
	const struct frame *frame = &table->frames[entry->first + i];

	return (struct line_frame){
		.name = intern_text(&table->texts, frame->name),
		.file = intern_text(&table->texts, frame->file),
		.line = frame->line,
		.is_inlined = frame->is_inlined != 0,
	};
}

/* ---- Asking the reader ---- */

static void take_lines(struct line_table *table, struct entry *entry, const struct lines *lines,
		       const struct lines_address *address)
{
	entry->first = table->frame_count;
	entry->count = address->count;
	table->frames =
		memory_grow(table->frames, &table->frame_capacity,
			    (size_t)table->frame_count + address->count, sizeof(*table->frames));
	for (uint32_t i = 0; i < address->count; i++) {
		const struct lines_frame *frame = &lines->frames[address->first + i];

		table->frames[table->frame_count++] = (struct frame){
			.name = intern_add_text(&table->texts, lines->text + frame->name),
			.file = intern_add_text(&table->texts, lines->text + frame->file),
			.line = frame->line,
			.is_inlined = frame->is_inlined,
		};
	}
}

static void on_lines(void *context, int error, int fd)
{
	struct lookup *lookup = context;
	struct line_table *table = lookup->table;
	struct lines lines = {0};

	if (error == -ECANCELED) {
		free(lookup);
		return;
	}
	if (error == 0) {
		error = lines_open(&lines, fd);
		close(fd);
	}
	if (error)
		log_info_errno(error, "Source lines of a module cannot be looked up");
	for (uint32_t i = 0; !error && i < lookup->count && i < lines.header->address_count; i++)
		take_lines(table, &table->entries[lookup->first + i], &lines, &lines.addresses[i]);
	lines_close(&lines);
	free(lookup);
	if (--table->pending == 0)
		table->on_settled(table->context);
}

static int write_offsets(const struct line_table *table, const struct lookup *lookup)
{
	_cleanup_close_ int fd = memfd_create("flame-offsets", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	for (uint32_t i = 0; i < lookup->count; i++) {
		uint64_t offset = frame_offset(table->entries[lookup->first + i].address);

		if (write(fd, &offset, sizeof(offset)) != sizeof(offset))
			return -EIO;
	}
	return steal_fd(&fd);
}

static void ask(struct line_table *table, const struct module *module, uint32_t first,
		uint32_t count)
{
	struct lookup *lookup = memory_new(sizeof(*lookup));
	size_t fd_count = 0;
	int debug_fd = module->debug_fd;
	int fds[READER_MAX_FDS];

	/* The place of the alternate file in the request is behind that of a debug file. */
	if (debug_fd < 0 && module->alternate_fd >= 0)
		debug_fd = module->fd;
	*lookup = (struct lookup){table, first, count};
	fds[fd_count++] = fcntl(module->fd, F_DUPFD_CLOEXEC, 3);
	if (debug_fd >= 0)
		fds[fd_count++] = fcntl(debug_fd, F_DUPFD_CLOEXEC, 3);
	if (module->alternate_fd >= 0)
		fds[fd_count++] = fcntl(module->alternate_fd, F_DUPFD_CLOEXEC, 3);
	fds[fd_count++] = write_offsets(table, lookup);
	for (size_t i = 0; i < fd_count; i++) {
		if (fds[i] >= 0)
			continue;
		/* Out of descriptors: this question goes without lines. */
		for (size_t j = 0; j < fd_count; j++)
			if (fds[j] >= 0)
				close(fds[j]);
		free(lookup);
		return;
	}
	table->pending++;
	reader_client_send(table->reader, READER_LINES, 0, fds, fd_count, on_lines, lookup);
}

static void clear(struct line_table *table)
{
	table->entry_count = table->frame_count = 0;
	table->fetched_count = module_table_fetched(table->modules);
	hashmap_clear(&table->index);
	intern_fini(&table->texts);
	intern_init(&table->texts);
}

int line_table_forget(struct line_table *table)
{
	if (table->pending)
		return -EBUSY;
	clear(table);
	return 0;
}

/* Add an entry without lines, to be filled in by the reader. */
static void add_entry(struct line_table *table, uint64_t address)
{
	uint32_t number = table->entry_count++;

	table->entries = memory_grow(table->entries, &table->entry_capacity, table->entry_count,
				     sizeof(*table->entries));
	table->entries[number] = (struct entry){.address = address};
	hashmap_add(&table->index, hash_u64(address), number);
}

/* Look up the addresses of one module, which stand next to each other. */
static void prepare_module(struct line_table *table, const uint64_t *addresses, size_t count)
{
	const struct module *module = module_table_find(table->modules, frame_module(*addresses));
	uint32_t first = table->entry_count;

	if (!module || module->fd < 0 || module->is_jit)
		return;
	for (size_t i = 0; i < count; i++) {
		if (find(table, addresses[i]))
			continue;
		add_entry(table, addresses[i]);
		if (table->entry_count - first < LINES_MAX_ADDRESSES)
			continue;
		ask(table, module, first, table->entry_count - first);
		first = table->entry_count;
	}
	if (table->entry_count > first)
		ask(table, module, first, table->entry_count - first);
}

void line_table_prepare(struct line_table *table, const uint64_t *addresses, size_t count)
{
	/* A debug file that came since may know what was not known then. */
	if (table->pending == 0 && (table->entry_count + count > LINE_TABLE_MAX_ADDRESSES ||
				    table->fetched_count != module_table_fetched(table->modules)))
		clear(table);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && frame_module(addresses[end]) == frame_module(addresses[i]))
			end++;
		prepare_module(table, addresses + i, end - i);
		i = end;
	}
}
