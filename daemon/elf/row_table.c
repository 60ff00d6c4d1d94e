/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/row_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

void row_table_init(struct row_table *table)
{
	static const struct unwind_rule first[UNWIND_RULE_FIRST] = {
		[UNWIND_RULE_NONE] = {.cfa = UNWIND_CFA_NONE},
		[UNWIND_RULE_UNSUPPORTED] = {.cfa = UNWIND_CFA_UNSUPPORTED},
	};

	*table = (struct row_table){0};
	table->rules = memory_grow(NULL, &table->rule_capacity, UNWIND_RULE_FIRST, sizeof(*first));
	memcpy(table->rules, first, sizeof(first));
	table->rule_count = UNWIND_RULE_FIRST;
}

void row_table_fini(struct row_table *table)
{
	free(table->pages);
	free(table->rows);
	free(table->rules);
	hashmap_fini(&table->rule_index);
	*table = (struct row_table){0};
}

/* Return the number of rule, which is stored when it is new. */
static uint16_t find_rule(struct row_table *table, const struct unwind_rule *rule)
{
	struct hashmap_cursor cursor;

	if (unwind_cfa_kind(rule) == UNWIND_CFA_UNSUPPORTED)
		return UNWIND_RULE_UNSUPPORTED;
	if (!memcmp(rule, &table->rules[table->current], sizeof(*rule)))
		return table->current;

	uint32_t hash = hash_bytes(rule, sizeof(*rule));
	for (uint32_t i = hashmap_first(&table->rule_index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->rule_index, &cursor)) {
		if (!memcmp(rule, &table->rules[i], sizeof(*rule)))
			return (uint16_t)i;
	}
	if (table->rule_count >= UNWIND_MAX_RULES) {
		table->is_cut = 1;
		return UNWIND_RULE_UNSUPPORTED;
	}
	table->rules = memory_grow(table->rules, &table->rule_capacity, table->rule_count + 1,
				   sizeof(*table->rules));
	table->rules[table->rule_count] = *rule;
	hashmap_add(&table->rule_index, hash, (uint32_t)table->rule_count);
	return (uint16_t)table->rule_count++;
}

static void start_page(struct row_table *table, uint32_t number)
{
	table->pages = memory_grow(table->pages, &table->page_capacity, table->page_count + 1,
				   sizeof(*table->pages));
	table->pages[table->page_count++] = (struct row_page){
		.number = number,
		.first = (uint32_t)table->row_count,
	};
}

/* Add a row to page number, which is the last one or comes behind it. */
static void add_row(struct row_table *table, uint32_t number, uint16_t offset, uint16_t rule)
{
	if (!table->page_count || table->pages[table->page_count - 1].number != number)
		start_page(table, number);

	struct row_page *page = &table->pages[table->page_count - 1];
	struct unwind_row *last = page->count ? &table->rows[table->row_count - 1] : NULL;
	if (last && last->offset == offset) {
		last->rule = rule;
		return;
	}
	if (page->count == UNWIND_MAX_ROWS) { /* only a hostile file has a rule a byte */
		table->is_cut = 1;
		last->rule = UNWIND_RULE_NONE;
		return;
	}
	table->rows = memory_grow(table->rows, &table->row_capacity, table->row_count + 1,
				  sizeof(*table->rows));
	table->rows[table->row_count++] = (struct unwind_row){.offset = offset, .rule = rule};
	page->count++;
}

/* Let the rule in force reach from the page it began in up to offset. */
static void carry_over(struct row_table *table, uint64_t offset)
{
	uint64_t number = (table->reached >> UNWIND_PAGE_BITS) + 1;

	if (table->current == UNWIND_RULE_NONE)
		return;
	for (; number << UNWIND_PAGE_BITS < offset; number++)
		add_row(table, (uint32_t)number, 0, table->current);
}

void row_table_add(struct row_table *table, uint64_t offset, const struct unwind_rule *rule)
{
	uint16_t number = rule ? find_rule(table, rule) : UNWIND_RULE_NONE;

	if (offset > ROW_TABLE_MAX_OFFSET)
		offset = ROW_TABLE_MAX_OFFSET;
	if (number != UNWIND_RULE_NONE &&
	    (offset == ROW_TABLE_MAX_OFFSET || table->row_count >= ROW_TABLE_MAX_ROWS)) {
		table->is_cut = 1;
		number = UNWIND_RULE_NONE;
	}
	if (number == table->current)
		return;
	carry_over(table, offset);
	table->reached = offset;
	table->current = number;
	/* A page that begins without a rule needs no row to say so. */
	uint16_t low = (uint16_t)(offset & (UNWIND_PAGE_BYTES - 1));
	if (number != UNWIND_RULE_NONE || low)
		add_row(table, (uint32_t)(offset >> UNWIND_PAGE_BITS), low, number);
}
