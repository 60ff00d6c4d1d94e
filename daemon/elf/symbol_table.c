/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/symbol_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

#define NOT_COPIED UINT32_MAX

/* Of the numbers that are sorted, see sort_keys(). */
#define DIGIT_BITS   11
#define DIGIT_VALUES (1U << DIGIT_BITS)

/* What makes one of two names at the same offset the better one, the most important bit first. */
enum {
	RANK_SIZED = 1 << 30,
	RANK_CODE = 1 << 29,
	RANK_CURRENT_VERSION = 1 << 28,
	RANK_BINDING = 1 << 26, /* times enum symbol_binding */
	RANK_PLAIN = 1 << 20,   /* times the leading underscores it has less than the most */
};
#define RANK_MOST_UNDERSCORES 15

/*
 * The entries that cover the place the sweep has reached, the one that wins on top (a binary heap
 * of entry numbers). Those that end before stay in until they come to the top.
 */
struct cover {
	uint32_t *heap;
	size_t count;
};

static uint32_t rank_of(const struct symbol_candidate *candidate, uint32_t name_length)
{
	uint32_t underscores = 0;
	uint32_t rank = name_length;

	while (underscores < name_length && underscores < RANK_MOST_UNDERSCORES &&
	       candidate->name[underscores] == '_')
		underscores++;
	rank += RANK_PLAIN * (RANK_MOST_UNDERSCORES - underscores);
	rank += RANK_BINDING * (uint32_t)candidate->binding;
	rank += candidate->is_old_version ? 0 : RANK_CURRENT_VERSION;
	rank += candidate->is_code ? RANK_CODE : 0;
	rank += candidate->size ? RANK_SIZED : 0;
	return rank;
}

void symbol_table_fini(struct symbol_table *table)
{
	free(table->entries);
	free(table->symbols);
	free(table->text);
	*table = (struct symbol_table){0};
}

void symbol_table_add(struct symbol_table *table, const struct symbol_candidate *candidate)
{
	uint64_t end = candidate->limit;
	uint32_t length = candidate->name_length < SYMBOL_TABLE_MAX_NAME
				  ? (uint32_t)candidate->name_length
				  : SYMBOL_TABLE_MAX_NAME;

	if (candidate->size && __builtin_add_overflow(candidate->offset, candidate->size, &end))
		return;
	if (!length || end <= candidate->offset)
		return;
	if (table->entry_count == SYMBOL_TABLE_MAX_SYMBOLS) {
		table->is_cut = 1;
		return;
	}
	table->entries = memory_grow(table->entries, &table->entry_capacity, table->entry_count + 1,
				     sizeof(*table->entries));
	table->entries[table->entry_count] = (struct symbol_entry){
		.offset = candidate->offset,
		.end = end,
		.name = candidate->name,
		.rank = rank_of(candidate, length),
		.name_length = length,
		.text = NOT_COPIED,
		.order = (uint32_t)table->entry_count,
	};
	table->entry_count++;
}

/* What is sorted in place of the entries, which are large. */
struct sort_key {
	uint64_t offset;
	uint32_t number; /* of the entry */
};

/* At the same offset the best last; equal ones in an order that is always the same. */
static int compare_same_offset(const void *left, const void *right)
{
	const struct symbol_entry *a = left, *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	int names = strncmp(b->name, a->name, a->name_length);
	return names ? names : (a->order > b->order) - (a->order < b->order);
}

/* Copy keys to sorted by one digit of their offsets; those with the same one keep their order. */
static void sort_by_digit(struct sort_key *sorted, const struct sort_key *keys, size_t count,
			  unsigned int shift)
{
	size_t places[DIGIT_VALUES] = {0};
	size_t place = 0;

	for (size_t i = 0; i < count; i++)
		places[keys[i].offset >> shift & (DIGIT_VALUES - 1)]++;
	for (size_t value = 0; value < DIGIT_VALUES; value++) {
		size_t with_value = places[value];

		places[value] = place;
		place += with_value;
	}
	for (size_t i = 0; i < count; i++)
		sorted[places[keys[i].offset >> shift & (DIGIT_VALUES - 1)]++] = keys[i];
}

/* Sort by offset alone, digit by digit from the lowest: three times faster than by comparing. */
static struct sort_key *sort_keys(struct sort_key *keys, struct sort_key *spare, size_t count,
				  uint64_t largest)
{
	for (unsigned int shift = 0; shift < 64 && largest >> shift; shift += DIGIT_BITS) {
		struct sort_key *before = keys;

		sort_by_digit(spare, keys, count, shift);
		keys = spare;
		spare = before;
	}
	return keys;
}

static void sort_entries(struct symbol_table *table)
{
	size_t count = table->entry_count;
	_cleanup_free_ struct sort_key *keys = memory_resize(NULL, 2 * count, sizeof(*keys));
	struct symbol_entry *sorted = memory_resize(NULL, count, sizeof(*sorted));
	const struct sort_key *order;
	uint64_t largest = 0;

	for (uint32_t i = 0; i < count; i++) {
		keys[i] = (struct sort_key){table->entries[i].offset, i};
		largest |= table->entries[i].offset;
	}
	order = sort_keys(keys, keys + count, count, largest);
	for (size_t i = 0; i < count; i++)
		sorted[i] = table->entries[order[i].number];
	free(table->entries);
	table->entries = sorted;
	table->entry_capacity = count;
	for (size_t first = 0, end; first < count; first = end) {
		for (end = first + 1; end < count && sorted[end].offset == sorted[first].offset;)
			end++;
		if (end - first > 1)
			qsort(&sorted[first], end - first, sizeof(*sorted), compare_same_offset);
	}
}

/* Non-zero when entry a wins over entry b where both cover. */
static int wins(const struct symbol_table *table, uint32_t a, uint32_t b)
{
	if (table->latest_wins)
		return table->entries[a].order > table->entries[b].order;
	return a > b;
}

static void cover_push(struct cover *cover, const struct symbol_table *table, uint32_t number)
{
	size_t at = cover->count++;

	for (; at && wins(table, number, cover->heap[(at - 1) / 2]); at = (at - 1) / 2)
		cover->heap[at] = cover->heap[(at - 1) / 2];
	cover->heap[at] = number;
}

static void cover_pop(struct cover *cover, const struct symbol_table *table)
{
	uint32_t last = cover->heap[--cover->count];
	size_t at = 0;

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= cover->count)
			break;
		if (child + 1 < cover->count &&
		    wins(table, cover->heap[child + 1], cover->heap[child]))
			child++;
		if (!wins(table, cover->heap[child], last))
			break;
		cover->heap[at] = cover->heap[child];
		at = child;
	}
	cover->heap[at] = last;
}

/* Return the entry that wins at offset, or NULL when none covers it. */
static struct symbol_entry *cover_top(struct cover *cover, const struct symbol_table *table,
				      uint64_t offset)
{
	while (cover->count) {
		struct symbol_entry *top = &table->entries[cover->heap[0]];

		if (top->end > offset)
			return top;
		cover_pop(cover, table);
	}
	return NULL;
}

static int copy_name(struct symbol_table *table, struct symbol_entry *entry)
{
	size_t needed = table->text_bytes + entry->name_length + 1;

	if (needed > SYMBOL_TABLE_MAX_TEXT) {
		table->is_cut = 1;
		return 0;
	}
	table->text = memory_grow(table->text, &table->text_capacity, needed, 1);
	memcpy(table->text + table->text_bytes, entry->name, entry->name_length);
	table->text[needed - 1] = 0;
	entry->text = (uint32_t)table->text_bytes;
	table->text_bytes = needed;
	return 1;
}

static void emit(struct symbol_table *table, struct symbol_entry *entry, uint64_t start,
		 uint64_t end)
{
	uint64_t size = end - start < UINT32_MAX ? end - start : UINT32_MAX;

	struct module_symbol *last =
		table->symbol_count ? &table->symbols[table->symbol_count - 1] : NULL;

	if (entry->text == NOT_COPIED && !copy_name(table, entry))
		return;
	if (last && last->name == entry->text && last->offset + last->size == start &&
	    size <= UINT32_MAX - last->size) {
		last->size += (uint32_t)size; /* nothing that counts began in between */
		return;
	}
	table->symbols = memory_grow(table->symbols, &table->symbol_capacity,
				     table->symbol_count + 1, sizeof(*table->symbols));
	table->symbols[table->symbol_count++] = (struct module_symbol){
		.offset = start,
		.size = (uint32_t)size,
		.name = entry->text,
	};
}

/* Emit what covers [from, to). */
static void sweep(struct symbol_table *table, struct cover *cover, uint64_t from, uint64_t to)
{
	struct symbol_entry *top;

	while (from < to && (top = cover_top(cover, table, from))) {
		uint64_t end = top->end < to ? top->end : to;

		emit(table, top, from, end);
		from = end;
	}
}

/*
 * Find the end of entry number, which has no size: the next one begins there, or the sized one
 * around it ends. Returns 0 when the entry is to be left out.
 */
static int end_unsized(struct symbol_table *table, struct cover *cover, uint32_t number)
{
	struct symbol_entry *entry = &table->entries[number];
	const struct symbol_entry *next = number + 1 < table->entry_count ? entry + 1 : NULL;
	const struct symbol_entry *around = cover_top(cover, table, entry->offset);

	if (next && next->offset == entry->offset)
		return 0;
	if (around && !(entry->rank & RANK_CODE))
		return 0; /* a label inside a function */
	if (next && next->offset < entry->end)
		entry->end = next->offset;
	if (around && around->end < entry->end)
		entry->end = around->end;
	return 1;
}

void symbol_table_finish(struct symbol_table *table)
{
	_cleanup_free_ uint32_t *heap = memory_resize(NULL, table->entry_count, sizeof(*heap));
	struct cover cover = {.heap = heap};
	uint64_t reached = 0;

	if (table->entry_count)
		sort_entries(table);
	for (uint32_t i = 0; i < table->entry_count; i++) {
		struct symbol_entry *entry = &table->entries[i];

		sweep(table, &cover, reached, entry->offset);
		reached = entry->offset;
		if (entry->rank & RANK_SIZED || end_unsized(table, &cover, i))
			cover_push(&cover, table, i);
	}
	sweep(table, &cover, reached, UINT64_MAX);
	free(steal_ptr(&table->entries));
	table->entry_count = table->entry_capacity = 0;
}

/* Where in text the empty name is. */
static uint32_t add_empty_name(struct symbol_table *table)
{
	table->text = memory_grow(table->text, &table->text_capacity, table->text_bytes + 1, 1);
	table->text[table->text_bytes] = 0;
	return (uint32_t)table->text_bytes++;
}

void symbol_table_add_unnamed(struct symbol_table *table, const struct function_list *functions)
{
	const struct module_symbol *named = table->symbols;
	const struct module_symbol *named_end = named + table->symbol_count;
	size_t room = table->symbol_count + functions->count;
	struct module_symbol *merged = memory_resize(NULL, room, sizeof(*merged));
	uint32_t empty = add_empty_name(table);
	size_t count = 0;

	for (size_t i = 0; i < functions->count; i++) {
		const struct function_range *function = &functions->ranges[i];
		uint64_t end = function->offset + function->size;

		while (named < named_end && named->offset <= function->offset)
			merged[count++] = *named++;
		if (count && merged[count - 1].offset + merged[count - 1].size > function->offset)
			continue;
		if (named < named_end && named->offset < end)
			end = named->offset;
		uint64_t size = end - function->offset;
		merged[count++] = (struct module_symbol){
			.offset = function->offset,
			.size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX,
			.name = empty,
		};
	}
	while (named < named_end)
		merged[count++] = *named++;
	free(table->symbols);
	table->symbols = merged;
	table->symbol_count = count;
	table->symbol_capacity = room;
}
