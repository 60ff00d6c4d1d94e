/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/unwinding/unwind_tables.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/unwind_table.h"
#include "common/clock.h"
#include "common/frame.h"
#include "daemon/core/names/module_table.h"
#include "daemon/core/workers/broker_client.h"
#include "daemon/elf/row_blocks.h"
#include "daemon/elf/row_table.h"
#include "tests/unit/cmocka_all.h"

#define SHARD_BYTES (UNWIND_SHARD_CELLS * sizeof(struct unwind_cell))
#define MODULES     6

/* The arrays that are the kernel's otherwise. */
static int fds[BROKER_FD_COUNT];
static struct unwind_module *entries;
static struct unwind_slice *slices;

/* The broker: makes shards when the test lets it. */
static broker_done *shards_wanted;
static void *shards_context;
static uint64_t shards_asked;
static int shard_fds[16];
static uint32_t shard_count;

void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context)
{
	(void)client;
	assert_int_equal(request->type, BROKER_ADD_SHARDS);
	assert_null(shards_wanted);
	shards_wanted = done;
	shards_context = context;
	shards_asked = request->value;
}

static int make_memory(size_t bytes)
{
	int fd = memfd_create("array", 0);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void grant_shards(void)
{
	broker_done *done = shards_wanted;
	int given[BROKER_MAX_FDS];

	assert_non_null(done);
	for (uint64_t i = 0; i < shards_asked; i++) {
		shard_fds[shard_count] = make_memory(SHARD_BYTES);
		given[i] = dup(shard_fds[shard_count++]);
	}
	shards_wanted = NULL;
	done(shards_context, 0, given, (size_t)shards_asked);
}

/* The modules: each has an image with pages of so many rows. */
static struct image {
	struct module module;
	struct module_image_header header;
	struct row_blocks blocks;
	struct unwind_rule rules[4];
} images[MODULES];

struct module *module_table_find(const struct module_table *table, uint32_t number)
{
	(void)table;
	return number >= MODULE_FIRST_FILE && number < MODULE_FIRST_FILE + MODULES
		       ? &images[number - MODULE_FIRST_FILE].module
		       : NULL;
}

/* A file whose pages, from first_page on, have row_count rows each; distinct tells its rules. */
static const struct module *make_module(uint32_t index, uint32_t first_page, uint32_t page_count,
					uint32_t row_count, int distinct)
{
	struct image *image = &images[index];
	struct row_table table = {.page_count = page_count};

	row_blocks_fini(&image->blocks);
	*image = (struct image){.module = {.number = MODULE_FIRST_FILE + index,
					   .state = MODULE_READY,
					   .path = (char[]){"file"}}};
	table.rows = memory_new(((size_t)page_count * row_count + 1) * sizeof(*table.rows));
	table.pages = memory_new(((size_t)page_count + 1) * sizeof(*table.pages));
	for (uint32_t page = 0; page < page_count; page++) {
		table.pages[page] =
			(struct row_page){first_page + page, page * row_count, row_count};
		for (uint32_t row = 0; row < row_count; row++)
			table.rows[page * row_count + row] =
				(struct unwind_row){(uint16_t)row, (uint16_t)(row % 4)};
	}
	row_blocks_make(&image->blocks, &table);
	row_table_fini(&table);
	for (int i = 0; i < 2; i++)
		image->rules[UNWIND_RULE_FIRST + i] =
			(struct unwind_rule){.cfa_offset = 8 + 8 * i + 100 * distinct,
					     .ra_offset = -8,
					     .ra = UNWIND_AT_CFA};
	image->rules[UNWIND_RULE_UNSUPPORTED].cfa = UNWIND_CFA_UNSUPPORTED;
	image->header.pages.count = page_count;
	image->header.cells.count = image->blocks.cell_count;
	image->header.rules.count = 4;
	image->module.image = (struct module_image){.header = &image->header,
						    .pages = image->blocks.pages,
						    .cells = image->blocks.cells,
						    .rules = image->rules};
	return &image->module;
}

/* Cells of a shard as the kernel has them. */
static void read_cells(uint32_t place, uint32_t count, void *cells)
{
	ssize_t bytes = (ssize_t)(count * sizeof(struct unwind_cell));
	off_t at = (off_t)((place & (UNWIND_SHARD_CELLS - 1)) * sizeof(struct unwind_cell));

	assert_int_equal(pread(shard_fds[place >> UNWIND_SHARD_BITS], cells, (size_t)bytes, at),
			 bytes);
}

/* The rule that a walk would find at an offset in a page, as the kernel program finds it. */
static struct unwind_rule find_rule(uint32_t number, uint32_t page, uint32_t offset)
{
	static struct unwind_cell block[UNWIND_SHARD_CELLS];
	const struct unwind_module *entry = &entries[number];
	const struct unwind_slice *slice = &slices[entry->first_slice + page - entry->first_page];
	struct unwind_rule rule;

	assert_int_equal(entry->state, UNWIND_MODULE_LOADED);
	read_cells(slice->block, unwind_block_cells(slice->count), block);
	read_cells(entry->rules +
			   unwind_block_find(block->words, UINT32_MAX, 0, slice->count, offset),
		   1, &rule);
	return rule;
}

static struct unwind_tables *start(uint64_t shards)
{
	struct unwind_tables *tables;

	shard_count = 0;
	shards_wanted = NULL;
	memset(entries, 0, (MODULE_LAST_FILE + 1) * sizeof(*entries));
	assert_int_equal(unwind_tables_open(fds, shards * SHARD_BYTES, NULL, NULL, &tables), 0);
	return tables;
}

static void test_rows_get_into_force_when_there_is_room(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(64);
	const struct module *module = make_module(0, 3, 2, 100, 0);
	struct unwind_usage usage;

	(void)state;
	unwind_tables_add(tables, module);
	assert_int_equal(entries[module->number].state, UNWIND_MODULE_ABSENT);
	assert_int_equal(shards_asked, UNWIND_SHARD_BATCH);
	grant_shards();
	assert_int_equal(entries[module->number].first_page, 3);
	assert_int_equal(entries[module->number].page_count, 2);
	assert_int_equal(find_rule(module->number, 4, 98).cfa_offset, 8);
	assert_int_equal(find_rule(module->number, 4, 99).cfa_offset, 16);
	assert_int_equal(find_rule(module->number, 3, 0).cfa, UNWIND_CFA_NONE);
	assert_int_equal(find_rule(module->number, 3, 1).cfa, UNWIND_CFA_UNSUPPORTED);
	unwind_tables_get_usage(tables, &usage);
	assert_int_equal(usage.rows, 200);
	assert_int_equal(usage.modules, 1);
}

static void test_each_file_has_rules_of_its_own(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(64);
	struct unwind_usage usage;

	(void)state;
	unwind_tables_add(tables, make_module(0, 0, 1, 10, 0));
	grant_shards();
	unwind_tables_add(tables, make_module(1, 0, 1, 10, 1));
	unwind_tables_get_usage(tables, &usage);
	assert_int_equal(usage.rules, 8);
	assert_int_equal(find_rule(MODULE_FIRST_FILE, 0, 2).cfa_offset, 8);
	assert_int_equal(find_rule(MODULE_FIRST_FILE + 1, 0, 2).cfa_offset, 108);
}

static void test_files_without_rows_are_stepped_by_frame_pointer(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(64);
	const struct module *module = make_module(0, 0, 0, 0, 0);

	(void)state;
	unwind_tables_add(tables, module);
	assert_int_equal(entries[module->number].state, UNWIND_MODULE_BARE);
	unwind_tables_add_bare(tables, 77);
	assert_int_equal(entries[77].state, UNWIND_MODULE_BARE);
	unwind_tables_remove(tables, 77);
	assert_int_equal(entries[77].state, UNWIND_MODULE_ABSENT);
}

static void test_what_can_never_fit_does_not_drive_others_out(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(1);
	struct image *far = &images[1];

	(void)state;
	unwind_tables_add(tables, make_module(0, 0, 2, 40000, 0));
	assert_int_equal(entries[MODULE_FIRST_FILE].state, UNWIND_MODULE_BARE);
	make_module(1, 0, 2, 10, 0);
	far->blocks.pages[1].number = UINT32_MAX; /* as a hostile file could have it */
	unwind_tables_add(tables, &far->module);
	assert_int_equal(entries[MODULE_FIRST_FILE + 1].state, UNWIND_MODULE_BARE);
	assert_null(shards_wanted);
}

static void test_files_that_no_walk_needs_give_way_and_come_back(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(1);
	uint64_t now_ns = 1000 * NS_PER_SECOND;
	uint32_t old = MODULE_FIRST_FILE, used = MODULE_FIRST_FILE + 1,
		 late = MODULE_FIRST_FILE + 2;
	struct unwind_usage usage;

	(void)state;
	unwind_tables_add(tables, make_module(0, 0, 1, 40000, 0));
	grant_shards();
	unwind_tables_add(tables, make_module(1, 0, 1, 40000, 0));
	entries[used].used_s = (uint32_t)(now_ns / NS_PER_SECOND);
	unwind_tables_add(tables, make_module(2, 0, 1, 30000, 0));
	assert_int_equal(entries[late].state, UNWIND_MODULE_ABSENT);

	unwind_tables_tick(tables, now_ns);
	assert_int_equal(entries[old].state, UNWIND_MODULE_ABSENT);
	assert_int_equal(entries[used].state, UNWIND_MODULE_LOADED);
	/* Walks may still be in the rows that left: not before the next tick. */
	assert_int_equal(entries[late].state, UNWIND_MODULE_ABSENT);
	unwind_tables_tick(tables, now_ns + NS_PER_SECOND);
	assert_int_equal(entries[late].state, UNWIND_MODULE_LOADED);
	unwind_tables_get_usage(tables, &usage);
	assert_int_equal(usage.evicted, 1);

	/* A walk comes by the one that left; the others have not been used for long. */
	now_ns += 100 * NS_PER_SECOND;
	entries[old].used_s = (uint32_t)(now_ns / NS_PER_SECOND);
	for (int i = 0; i < 4 && entries[old].state != UNWIND_MODULE_LOADED; i++)
		unwind_tables_tick(tables, now_ns + (uint64_t)i * NS_PER_SECOND);
	assert_int_equal(entries[old].state, UNWIND_MODULE_LOADED);
	assert_int_equal(find_rule(old, 0, 39999).cfa_offset, 16);
}

static void test_room_is_used_again_without_end(void **state)
{
	_cleanup_(unwind_tables_closep) struct unwind_tables *tables = start(1);
	struct unwind_usage usage;
	uint64_t now_ns = NS_PER_SECOND;
	uint32_t load = 0;

	(void)state;
	for (int i = 0; i < 100; i++, now_ns += NS_PER_SECOND) {
		const struct module *module = make_module(0, (uint32_t)i, 1, 40000, 0);

		unwind_tables_add(tables, module);
		if (!i)
			grant_shards();
		unwind_tables_tick(tables, now_ns);
		assert_int_equal(entries[module->number].state, UNWIND_MODULE_LOADED);
		/* What walks remember of the rows before is no longer meant. */
		assert_true(entries[module->number].load > load);
		load = entries[module->number].load;
		unwind_tables_remove(tables, module->number);
	}
	unwind_tables_tick(tables, now_ns);
	unwind_tables_get_usage(tables, &usage);
	assert_int_equal(usage.rows, 0);
	assert_int_equal(usage.rules, 0);
	assert_int_equal(usage.modules, 0);
	assert_int_equal(usage.bytes, SHARD_BYTES);
}

static int open_arrays(void **state)
{
	static const struct {
		enum broker_hello_fd fd;
		size_t bytes;
		void *array;
	} arrays[] = {
		{BROKER_FD_UNWIND_MODULES, (MODULE_LAST_FILE + 1) * sizeof(*entries), &entries},
		{BROKER_FD_UNWIND_SLICES, UNWIND_MAX_SLICES * sizeof(*slices), &slices},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++) {
		size_t pages = (arrays[i].bytes + 4095) / 4096;

		fds[arrays[i].fd] = make_memory(pages * 4096);
		*(void **)arrays[i].array = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
						 MAP_SHARED, fds[arrays[i].fd], 0);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_get_into_force_when_there_is_room),
		cmocka_unit_test(test_each_file_has_rules_of_its_own),
		cmocka_unit_test(test_files_without_rows_are_stepped_by_frame_pointer),
		cmocka_unit_test(test_what_can_never_fit_does_not_drive_others_out),
		cmocka_unit_test(test_files_that_no_walk_needs_give_way_and_come_back),
		cmocka_unit_test(test_room_is_used_again_without_end),
	};

	return cmocka_run_group_tests(tests, open_arrays, NULL);
}
