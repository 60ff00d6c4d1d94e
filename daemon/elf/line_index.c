/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/line_index.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

/* Deepest nesting of namespaces, classes and functions that is looked into. */
#define MAX_DEPTH 32

/* Ranges that begin before an address and may still cover it although others begin in between. */
#define MAX_STEPS_BACK 16

static void add_range(struct line_index *index, struct line_ranges *ranges, uint64_t start,
		      uint64_t end, size_t number)
{
	if (start >= end || index->range_count == LINE_INDEX_MAX_RANGES)
		return;
	index->range_count++;
	ranges->ranges = memory_grow(ranges->ranges, &ranges->capacity, ranges->count + 1,
				     sizeof(*ranges->ranges));
	ranges->ranges[ranges->count++] = (struct line_range){
		.start = start,
		.end = end,
		.number = (uint32_t)number,
	};
}

/* Add all ranges of die. Returns non-zero when it has any. */
static int add_die(struct line_index *index, struct line_ranges *ranges, Dwarf_Die *die,
		   size_t number)
{
	size_t before = ranges->count;
	Dwarf_Addr base, start, end;
	ptrdiff_t offset = 0;

	while ((offset = dwarf_ranges(die, offset, &base, &start, &end)) > 0) {
		if (!line_index_visit(index))
			break;
		add_range(index, ranges, start, end, number);
	}
	return ranges->count > before;
}

static int compare_ranges(const void *left, const void *right)
{
	const struct line_range *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return (a->end < b->end) - (a->end > b->end); /* what lies inside comes later */
}

static void sort_ranges(struct line_ranges *ranges)
{
	if (ranges->count)
		qsort(ranges->ranges, ranges->count, sizeof(*ranges->ranges), compare_ranges);
}

static const struct line_range *find_range(const struct line_ranges *ranges, uint64_t address)
{
	size_t low = 0;
	size_t high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->ranges[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned int steps = 0; low && steps < MAX_STEPS_BACK; low--, steps++) {
		if (address < ranges->ranges[low - 1].end)
			return &ranges->ranges[low - 1];
	}
	return NULL;
}

int line_index_init(struct line_index *index, Dwarf *debug, uint64_t max_visits)
{
	Dwarf_CU *unit = NULL;
	Dwarf_Die die;
	uint8_t type;

	*index = (struct line_index){.max_visits = max_visits};
	while (!dwarf_get_units(debug, unit, &unit, NULL, &type, &die, NULL)) {
		if (!line_index_visit(index))
			break;
		if (type == DW_UT_type || type == DW_UT_split_type ||
		    !add_die(index, &index->ranges, &die, index->unit_count))
			continue;
		index->units = memory_grow(index->units, &index->unit_capacity,
					   index->unit_count + 1, sizeof(*index->units));
		index->units[index->unit_count++] = (struct line_unit){.die = die};
	}
	sort_ranges(&index->ranges);
	return index->unit_count ? 0 : -ENODATA;
}

void line_index_fini(struct line_index *index)
{
	for (size_t i = 0; i < index->unit_count; i++) {
		free(index->units[i].functions.ranges);
		free(index->units[i].dies);
	}
	free(index->units);
	free(index->ranges.ranges);
	*index = (struct line_index){0};
}

struct line_unit *line_index_find_unit(struct line_index *index, uint64_t address)
{
	const struct line_range *range = find_range(&index->ranges, address);

	return range ? &index->units[range->number] : NULL;
}

/* What may hold functions without covering code itself. */
static int is_container(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type || tag == DW_TAG_module;
}

static void add_function(struct line_index *index, struct line_unit *unit, Dwarf_Die *die)
{
	if (!add_die(index, &unit->functions, die, unit->die_count))
		return;
	unit->dies = memory_grow(unit->dies, &unit->die_capacity, unit->die_count + 1,
				 sizeof(*unit->dies));
	unit->dies[unit->die_count++] = *die;
}

/* Collect the functions below the unit: a walk with its own stack, so depth costs no recursion. */
static void read_functions(struct line_index *index, struct line_unit *unit)
{
	Dwarf_Die path[MAX_DEPTH];
	size_t depth = 0;

	unit->is_read = 1;
	if (dwarf_child(&unit->die, &path[0]))
		return;
	while (line_index_visit(index)) {
		Dwarf_Die *die = &path[depth];
		int tag = dwarf_tag(die);

		if (tag == DW_TAG_subprogram)
			add_function(index, unit, die);
		if ((is_container(tag) || tag == DW_TAG_subprogram) && depth + 1 < MAX_DEPTH &&
		    !dwarf_child(die, &path[depth + 1])) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&path[depth], &path[depth])) {
			if (!depth)
				return;
			depth--;
		}
	}
}

Dwarf_Die *line_index_find_function(struct line_index *index, struct line_unit *unit,
				    uint64_t address)
{
	if (!unit->is_read) {
		read_functions(index, unit);
		sort_ranges(&unit->functions);
	}
	const struct line_range *range = find_range(&unit->functions, address);
	return range ? &unit->dies[range->number] : NULL;
}
