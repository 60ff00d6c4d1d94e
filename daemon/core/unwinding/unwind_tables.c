/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/unwind_tables.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/unwind_table.h"
#include "common/clock.h"
#include "common/frame.h"
#include "common/log.h"
#include "daemon/core/names/extents.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/workers/broker_client.h"

#define SHARD_BYTES      (UNWIND_SHARD_CELLS * sizeof(struct unwind_cell))
#define MAX_MODULE_PAGES (UNWIND_MAX_SLICES / 8) /* a file of 2 GiB */
#define MODULE_COUNT     (MODULE_LAST_FILE + 1)

struct shard {
	int fd;
	struct unwind_cell *cells; /* NULL: not mapped at the moment */
	struct extents free_cells;
};

/* What walks that are under way may still look at: free at the tick after the next. */
struct leaving {
	struct unwind_slice *slices; /* copies. Owned. */
	uint32_t first_slice;
	uint32_t slice_count;
	uint32_t rules; /* place of the first one */
	uint32_t rule_count;
	uint64_t since_ns;
};

struct unwind_tables {
	struct broker_client *broker;
	struct module_table *modules;

	/* Shared with the kernel programs. */
	struct unwind_module *entries;
	struct unwind_slice *slices;

	uint16_t rule_counts[MODULE_COUNT]; /* of modules with rows in force */
	struct extents free_slices;
	struct shard shards[UNWIND_MAX_SHARDS];
	uint32_t shard_count, shard_limit;
	int is_asking; /* for more shards */

	uint32_t *waiting; /* numbers of modules that found no room */
	size_t waiting_count, waiting_capacity;
	uint32_t *evicted;      /* numbers of modules that lost theirs */
	uint32_t *evicted_used; /* used_s at that moment, in parallel */
	size_t evicted_count, evicted_capacity, evicted_used_capacity;
	struct leaving *leaving;
	size_t leaving_count, leaving_capacity;

	uint64_t row_count, rule_count;
	uint32_t load_count; /* ever */
	uint32_t now_s;      /* at the last tick */
	uint32_t loaded_count;
	uint64_t ever_evicted;
};

/* ---- Shards ---- */

/* The cells from place on, in memory; NULL: they cannot be had there. */
static struct unwind_cell *map_place(struct unwind_tables *tables, uint32_t place)
{
	struct shard *shard = &tables->shards[place >> UNWIND_SHARD_BITS];

	if (!shard->cells) {
		void *cells =
			mmap(NULL, SHARD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, shard->fd, 0);

		if (cells == MAP_FAILED)
			return NULL;
		shard->cells = cells;
	}
	return &shard->cells[place & (UNWIND_SHARD_CELLS - 1)];
}

/* Mapped only while they are written, so that they do not count as the core's own memory. */
static void unmap_shards(struct unwind_tables *tables)
{
	for (uint32_t i = 0; i < tables->shard_count; i++) {
		if (tables->shards[i].cells)
			munmap(tables->shards[i].cells, SHARD_BYTES);
		tables->shards[i].cells = NULL;
	}
}

/* Find room for count cells in a row; the newest shards are the emptiest. Errors: -ENOSPC. */
static int take_cells(struct unwind_tables *tables, uint32_t count, uint32_t *place)
{
	for (uint32_t i = tables->shard_count; i-- > 0;) {
		struct shard *shard = &tables->shards[i];
		uint32_t first;

		if (shard->free_cells.free_count < count ||
		    extents_take(&shard->free_cells, count, &first))
			continue;
		*place = i << UNWIND_SHARD_BITS | first;
		return 0;
	}
	return -ENOSPC;
}

static void give_cells(struct unwind_tables *tables, uint32_t place, uint32_t count)
{
	extents_give(&tables->shards[place >> UNWIND_SHARD_BITS].free_cells,
		     place & (UNWIND_SHARD_CELLS - 1), count);
}

static void load_waiting(struct unwind_tables *tables);

static void on_shards(void *context, int error, const int *fds, size_t fd_count)
{
	struct unwind_tables *tables = context;

	/* The broker is gone, and the tables may be too. */
	if (error == -ECANCELED)
		return;
	tables->is_asking = 0;
	if (error) {
		log_error_errno(error, "No more memory for unwind rows: shards=%u",
				tables->shard_count);
		tables->shard_limit = tables->shard_count;
		return;
	}
	for (size_t i = 0; i < fd_count; i++) {
		struct shard *shard = &tables->shards[tables->shard_count++];

		shard->fd = fds[i];
		extents_give(&shard->free_cells, 0, UNWIND_SHARD_CELLS);
	}
	load_waiting(tables);
}

/* Ask for room; returns zero when there will be no more. */
static int ask_for_shards(struct unwind_tables *tables)
{
	uint32_t left = tables->shard_limit - tables->shard_count;
	struct broker_request request = {
		.type = BROKER_ADD_SHARDS,
		.value = left < UNWIND_SHARD_BATCH ? left : UNWIND_SHARD_BATCH,
	};

	if (tables->is_asking)
		return 1;
	if (!left)
		return 0;
	tables->is_asking = 1;
	broker_client_send(tables->broker, &request, on_shards, tables);
	return 1;
}

/* ---- Loading ---- */

/* Give back the first count slices that were taken for a module. */
static void give_blocks(struct unwind_tables *tables, const struct unwind_slice *slices,
			uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!slices[i].count)
			continue;
		give_cells(tables, slices[i].block, unwind_block_cells(slices[i].count));
		tables->row_count -= slices[i].count;
	}
}

static int take_blocks(struct unwind_tables *tables, const struct module_image *image,
		       struct unwind_slice *slices, uint32_t slice_count)
{
	uint32_t first_page = image->pages[0].number;

	memset(slices, 0, slice_count * sizeof(*slices));
	for (uint64_t i = 0; i < image->header->pages.count; i++) {
		const struct unwind_page *page = &image->pages[i];
		struct unwind_slice *slice = &slices[page->number - first_page];

		if (take_cells(tables, unwind_block_cells(page->count), &slice->block)) {
			give_blocks(tables, slices, page->number - first_page);
			return -ENOSPC;
		}
		slice->count = page->count;
		tables->row_count += page->count;
	}
	return 0;
}

/* Copy what an image has into the room that was taken for it. Errors: -ENOMEM. */
static int write_cells(struct unwind_tables *tables, const struct module_image *image,
		       const struct unwind_slice *slices, uint32_t rules)
{
	uint32_t first_page = image->pages[0].number;
	struct unwind_cell *to = map_place(tables, rules);

	if (!to)
		return -ENOMEM;
	memcpy(to, image->rules, image->header->rules.count * sizeof(*image->rules));
	for (uint64_t i = 0; i < image->header->pages.count; i++) {
		const struct unwind_page *page = &image->pages[i];

		to = map_place(tables, slices[page->number - first_page].block);
		if (!to)
			return -ENOMEM;
		memcpy(to, &image->cells[page->first],
		       unwind_block_cells(page->count) * sizeof(*to));
	}
	return 0;
}

/* Take room for the blocks and rules of an image and fill it. Errors: -ENOSPC, -ENOMEM. */
static int place_image(struct unwind_tables *tables, const struct module_image *image,
		       struct unwind_slice *slices, uint32_t slice_count, uint32_t *rules)
{
	uint32_t rule_count = (uint32_t)image->header->rules.count;
	int error = take_cells(tables, rule_count, rules);

	if (error)
		return error;
	error = take_blocks(tables, image, slices, slice_count);
	if (error) {
		give_cells(tables, *rules, rule_count);
		return error;
	}
	error = write_cells(tables, image, slices, *rules);
	unmap_shards(tables);
	if (error) {
		give_blocks(tables, slices, slice_count);
		give_cells(tables, *rules, rule_count);
	}
	return error;
}

/* Errors: -ENOSPC when there is not enough room now. */
static int load(struct unwind_tables *tables, const struct module *module)
{
	const struct module_image *image = &module->image;
	uint64_t page_count = image->header->pages.count;
	struct unwind_module *entry = &tables->entries[module->number];
	uint32_t slice_count, first, rules;
	int error;

	slice_count = image->pages[page_count - 1].number - image->pages[0].number + 1;
	if (extents_take(&tables->free_slices, slice_count, &first))
		return -ENOSPC;
	error = place_image(tables, image, &tables->slices[first], slice_count, &rules);
	if (error) {
		extents_give(&tables->free_slices, first, slice_count);
		return error;
	}
	tables->rule_counts[module->number] = (uint16_t)image->header->rules.count;
	tables->rule_count += image->header->rules.count;
	entry->rules = rules;
	entry->load = ++tables->load_count;
	if (entry->used_s < tables->now_s)
		entry->used_s = tables->now_s;
	entry->first_slice = first;
	entry->first_page = image->pages[0].number;
	entry->page_count = slice_count;
	/* A walk that sees the state sees what it stands for. */
	__atomic_store_n(&entry->state, (uint32_t)UNWIND_MODULE_LOADED, __ATOMIC_RELEASE);
	tables->loaded_count++;
	return 0;
}

/* Take a module's rows out of force; their room is free a little later. */
static void unload(struct unwind_tables *tables, uint32_t number, uint64_t now_ns)
{
	struct unwind_module *entry = &tables->entries[number];
	size_t bytes = entry->page_count * sizeof(struct unwind_slice);
	struct leaving *leaving;

	__atomic_store_n(&entry->state, (uint32_t)UNWIND_MODULE_ABSENT, __ATOMIC_RELEASE);
	tables->leaving = memory_grow(tables->leaving, &tables->leaving_capacity,
				      tables->leaving_count + 1, sizeof(*tables->leaving));
	leaving = &tables->leaving[tables->leaving_count++];
	leaving->slices = memory_new(bytes);
	memcpy(leaving->slices, &tables->slices[entry->first_slice], bytes);
	leaving->first_slice = entry->first_slice;
	leaving->slice_count = entry->page_count;
	leaving->rules = entry->rules;
	leaving->rule_count = tables->rule_counts[number];
	leaving->since_ns = now_ns;
	tables->loaded_count--;
}

static void give_up_leaving(struct unwind_tables *tables, uint64_t now_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < tables->leaving_count; i++) {
		struct leaving *leaving = &tables->leaving[i];

		if (leaving->since_ns == now_ns) {
			tables->leaving[kept++] = *leaving;
			continue;
		}
		give_blocks(tables, leaving->slices, leaving->slice_count);
		give_cells(tables, leaving->rules, leaving->rule_count);
		tables->rule_count -= leaving->rule_count;
		extents_give(&tables->free_slices, leaving->first_slice, leaving->slice_count);
		free(leaving->slices);
	}
	tables->leaving_count = kept;
}

/* ---- Eviction ---- */

static void evict_one(struct unwind_tables *tables, uint64_t now_ns)
{
	uint32_t now_s = (uint32_t)(now_ns / NS_PER_SECOND);
	uint32_t oldest = MODULE_COUNT;

	for (uint32_t i = MODULE_FIRST_FILE; i < MODULE_COUNT; i++) {
		const struct unwind_module *entry = &tables->entries[i];

		if (entry->state != UNWIND_MODULE_LOADED || now_s - entry->used_s < UNWIND_KEEP_S)
			continue;
		if (oldest == MODULE_COUNT || entry->used_s < tables->entries[oldest].used_s)
			oldest = i;
	}
	if (oldest == MODULE_COUNT)
		return;
	tables->evicted = memory_grow(tables->evicted, &tables->evicted_capacity,
				      tables->evicted_count + 1, sizeof(*tables->evicted));
	tables->evicted_used =
		memory_grow(tables->evicted_used, &tables->evicted_used_capacity,
			    tables->evicted_count + 1, sizeof(*tables->evicted_used));
	tables->evicted[tables->evicted_count] = oldest;
	tables->evicted_used[tables->evicted_count++] = tables->entries[oldest].used_s;
	tables->ever_evicted++;
	unload(tables, oldest, now_ns);
}

/* Modules that lost their rows and that a walk has come by since get in line again. */
static void readmit(struct unwind_tables *tables)
{
	size_t kept = 0;

	for (size_t i = 0; i < tables->evicted_count; i++) {
		uint32_t number = tables->evicted[i];
		const struct module *module = module_table_find(tables->modules, number);

		if (!module || tables->entries[number].state != UNWIND_MODULE_ABSENT)
			continue;
		if (tables->entries[number].used_s == tables->evicted_used[i]) {
			tables->evicted[kept] = number;
			tables->evicted_used[kept++] = tables->evicted_used[i];
			continue;
		}
		unwind_tables_add(tables, module);
	}
	tables->evicted_count = kept;
}

/* ---- The line ---- */

static void wait_in_line(struct unwind_tables *tables, uint32_t number)
{
	for (size_t i = 0; i < tables->waiting_count; i++) {
		if (tables->waiting[i] == number)
			return;
	}
	tables->waiting = memory_grow(tables->waiting, &tables->waiting_capacity,
				      tables->waiting_count + 1, sizeof(*tables->waiting));
	tables->waiting[tables->waiting_count++] = number;
}

/* Whether a file could ever have room; what is in it comes from a file that may be hostile. */
static int can_fit(const struct unwind_tables *tables, const struct module_image *image)
{
	uint64_t last = image->header->pages.count - 1;
	uint64_t slice_count = (uint64_t)image->pages[last].number - image->pages[0].number + 1;

	return slice_count <= MAX_MODULE_PAGES &&
	       image->header->cells.count + image->header->rules.count <=
		       (uint64_t)tables->shard_limit * UNWIND_SHARD_CELLS / 2;
}

static int needs_rows(const struct unwind_tables *tables, const struct module *module)
{
	return module && module_has_image(module) && module->image.header->pages.count &&
	       tables->entries[module->number].state != UNWIND_MODULE_LOADED;
}

/* First come, first served, but who needs little may pass who needs much. */
static void load_waiting(struct unwind_tables *tables)
{
	size_t kept = 0;

	for (size_t i = 0; i < tables->waiting_count; i++) {
		uint32_t number = tables->waiting[i];
		const struct module *module = module_table_find(tables->modules, number);

		if (needs_rows(tables, module) && load(tables, module))
			tables->waiting[kept++] = number;
	}
	tables->waiting_count = kept;
	if (kept)
		ask_for_shards(tables);
}

void unwind_tables_add(struct unwind_tables *tables, const struct module *module)
{
	if (!module_has_image(module))
		return;
	if (!module->image.header->pages.count) {
		if (tables->entries[module->number].state == UNWIND_MODULE_ABSENT)
			unwind_tables_add_bare(tables, module->number);
		return;
	}
	if (!needs_rows(tables, module))
		return;
	if (!can_fit(tables, &module->image)) {
		log_warn("Unwind rows that take too much room are left out: path=%s bytes=%llu",
			 module->path,
			 (unsigned long long)(module->image.header->cells.count *
					      sizeof(struct unwind_cell)));
		unwind_tables_add_bare(tables, module->number);
		return;
	}
	if (!load(tables, module))
		return;
	wait_in_line(tables, module->number);
	ask_for_shards(tables);
}

void unwind_tables_add_bare(struct unwind_tables *tables, uint32_t number)
{
	if (tables->entries[number].state == UNWIND_MODULE_ABSENT)
		__atomic_store_n(&tables->entries[number].state, (uint32_t)UNWIND_MODULE_BARE,
				 __ATOMIC_RELEASE);
}

void unwind_tables_remove(struct unwind_tables *tables, uint32_t number)
{
	if (tables->entries[number].state == UNWIND_MODULE_LOADED)
		unload(tables, number, 0);
	tables->entries[number].state = UNWIND_MODULE_ABSENT;
}

uint32_t unwind_tables_used_s(const struct unwind_tables *tables, uint32_t number)
{
	return tables->entries[number].used_s;
}

void unwind_tables_tick(struct unwind_tables *tables, uint64_t now_ns)
{
	tables->now_s = (uint32_t)(now_ns / NS_PER_SECOND);
	give_up_leaving(tables, now_ns);
	readmit(tables);
	load_waiting(tables);
	if (tables->waiting_count && !tables->is_asking)
		evict_one(tables, now_ns);
}

/* ---- Life ---- */

static int map_array(int fd, size_t bytes, void *result)
{
	void *array = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (array == MAP_FAILED)
		return -errno;
	*(void **)result = array;
	return 0;
}

#define ENTRIES_BYTES (MODULE_COUNT * sizeof(struct unwind_module))
#define SLICES_BYTES  (UNWIND_MAX_SLICES * sizeof(struct unwind_slice))

int unwind_tables_open(const int *fds, uint64_t limit_bytes, struct broker_client *broker,
		       struct module_table *modules, struct unwind_tables **result)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = memory_new(sizeof(*tables));
	uint64_t limit = limit_bytes / SHARD_BYTES;
	int error;

	tables->broker = broker;
	tables->modules = modules;
	tables->shard_limit = limit > UNWIND_MAX_SHARDS ? UNWIND_MAX_SHARDS : (uint32_t)limit;
	error = map_array(fds[BROKER_FD_UNWIND_MODULES], ENTRIES_BYTES, &tables->entries);
	if (!error)
		error = map_array(fds[BROKER_FD_UNWIND_SLICES], SLICES_BYTES, &tables->slices);
	if (error)
		return error;
	extents_give(&tables->free_slices, 0, UNWIND_MAX_SLICES);
	*result = steal_ptr(&tables);
	return 0;
}

void unwind_tables_close(struct unwind_tables *tables)
{
	if (!tables)
		return;
	for (uint32_t i = 0; i < tables->shard_count; i++) {
		close(tables->shards[i].fd);
		extents_fini(&tables->shards[i].free_cells);
	}
	for (size_t i = 0; i < tables->leaving_count; i++)
		free(tables->leaving[i].slices);
	if (tables->entries)
		munmap(tables->entries, ENTRIES_BYTES);
	if (tables->slices)
		munmap(tables->slices, SLICES_BYTES);
	extents_fini(&tables->free_slices);
	free(tables->waiting);
	free(tables->evicted);
	free(tables->evicted_used);
	free(tables->leaving);
	free(tables);
}

void unwind_tables_get_usage(const struct unwind_tables *tables, struct unwind_usage *usage)
{
	*usage = (struct unwind_usage){
		.modules = tables->loaded_count,
		.waiting = (uint32_t)tables->waiting_count,
		.rules = tables->rule_count,
		.rows = tables->row_count,
		.bytes = tables->shard_count * (uint64_t)SHARD_BYTES,
		.evicted = tables->ever_evicted,
	};
}
