/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/history/stack_table.h"

#include <stdlib.h>

#include "common/hashmap.h"
#include "common/memory.h"

struct node {
	uint64_t address;
	uint32_t parent;     /* of a free node: the next free one */
	uint32_t references; /* from children and rows */
};

struct stack_table {
	struct node *nodes;
	size_t capacity;
	uint32_t limit; /* nodes ever used */
	uint32_t count; /* nodes in use */
	uint32_t free_list;
	struct hashmap index;
};

struct stack_table *stack_table_new(void)
{
	struct stack_table *table = memory_new(sizeof(*table));

	table->free_list = STACK_NONE;
	return table;
}

void stack_table_free(struct stack_table *table)
{
	if (!table)
		return;
	hashmap_fini(&table->index);
	free(table->nodes);
	free(table);
}

static uint32_t hash_node(uint32_t parent, uint64_t address)
{
	return hash_u64(address ^ ((uint64_t)parent * UINT64_C(0x9e3779b97f4a7c15)));
}

static uint32_t find_child(const struct stack_table *table, uint32_t parent, uint64_t address,
			   uint32_t hash)
{
	struct hashmap_cursor cursor;

	for (uint32_t i = hashmap_first(&table->index, hash, &cursor); i != HASHMAP_NONE;
	     i = hashmap_next(&table->index, &cursor))
		if (table->nodes[i].parent == parent && table->nodes[i].address == address)
			return i;
	return STACK_NONE;
}

static uint32_t take_free_node(struct stack_table *table)
{
	uint32_t id = table->free_list;

	if (id != STACK_NONE) {
		table->free_list = table->nodes[id].parent;
		return id;
	}
	id = table->limit++;
	table->nodes =
		memory_grow(table->nodes, &table->capacity, table->limit, sizeof(struct node));
	return id;
}

static uint32_t add_child(struct stack_table *table, uint32_t parent, uint64_t address,
			  uint32_t hash)
{
	uint32_t id = take_free_node(table);

	table->nodes[id] = (struct node){.address = address, .parent = parent};
	if (parent != STACK_NONE)
		table->nodes[parent].references++;
	hashmap_add(&table->index, hash, id);
	table->count++;
	return id;
}

uint32_t stack_table_add(struct stack_table *table, const uint64_t *addresses, size_t count)
{
	return stack_table_add_to(table, STACK_NONE, addresses, count);
}

uint32_t stack_table_add_to(struct stack_table *table, uint32_t base, const uint64_t *addresses,
			    size_t count)
{
	uint32_t stack = base;

	while (count > 0) {
		uint64_t address = addresses[--count];
		uint32_t hash = hash_node(stack, address);
		uint32_t child = find_child(table, stack, address, hash);

		stack = child != STACK_NONE ? child : add_child(table, stack, address, hash);
	}
	stack_table_keep(table, stack);
	return stack;
}

void stack_table_keep(struct stack_table *table, uint32_t stack)
{
	if (stack != STACK_NONE)
		table->nodes[stack].references++;
}

void stack_table_release(struct stack_table *table, uint32_t stack)
{
	while (stack != STACK_NONE && --table->nodes[stack].references == 0) {
		struct node *node = &table->nodes[stack];
		uint32_t parent = node->parent;

		hashmap_remove(&table->index, hash_node(parent, node->address), stack);
		node->parent = table->free_list;
		table->free_list = stack;
		table->count--;
		stack = parent;
	}
}

uint64_t stack_table_address(const struct stack_table *table, uint32_t stack)
{
	return table->nodes[stack].address;
}

uint32_t stack_table_parent(const struct stack_table *table, uint32_t stack)
{
	return table->nodes[stack].parent;
}

void stack_table_visit(const struct stack_table *table,
		       void (*visit)(void *context, uint64_t address), void *context)
{
	for (uint32_t i = 0; i < table->limit; i++)
		if (table->nodes[i].references)
			visit(context, table->nodes[i].address);
}

uint32_t stack_table_limit(const struct stack_table *table)
{
	return table->limit;
}

uint32_t stack_table_count(const struct stack_table *table)
{
	return table->count;
}

size_t stack_table_bytes(const struct stack_table *table)
{
	/* The index is between 3/8 and 3/4 full; count it as half full. */
	return table->count * (sizeof(struct node) + 2 * sizeof(struct hashmap_slot));
}
