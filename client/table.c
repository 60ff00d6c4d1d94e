/* SPDX-License-Identifier: Apache-2.0 */
#include "client/table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "common/cleanup.h"
#include "common/text.h"

#define GAP 2 /* between columns */

void table_init(struct table *table, const struct table_column *columns, size_t count)
{
	*table = (struct table){.columns = columns, .column_count = count};
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){0};
}

void table_add(struct table *table, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	table->cells = memory_grow(table->cells, &table->cell_capacity, table->cell_count + 1,
				   sizeof(*table->cells));
	table->cells[table->cell_count++] = text_copy_printable(text);
}

static void measure(const struct table *table, size_t widths[TABLE_MAX_COLUMNS])
{
	for (size_t i = 0; i < table->column_count; i++)
		widths[i] = text_columns(table->columns[i].title);
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t width = text_columns(table->cells[i]);

		if (width > widths[i % table->column_count])
			widths[i % table->column_count] = width;
	}
}

static size_t sum(const size_t *widths, size_t count)
{
	size_t total = count ? (count - 1) * GAP : 0;

	for (size_t i = 0; i < count; i++)
		total += widths[i];
	return total;
}

/* Take a column off the widest of those that may be cut, until all fits or none can be cut. */
static void narrow(const struct table *table, size_t widths[TABLE_MAX_COLUMNS], size_t limit)
{
	while (sum(widths, table->column_count) > limit) {
		size_t widest = table->column_count;

		for (size_t i = 0; i < table->column_count; i++) {
			if (!table->columns[i].least || widths[i] <= table->columns[i].least)
				continue;
			if (widest == table->column_count || widths[i] > widths[widest])
				widest = i;
		}
		if (widest == table->column_count)
			return;
		widths[widest]--;
	}
}

static void print_cell(const struct table *table, size_t column, const char *text, size_t width,
		       FILE *file)
{
	_cleanup_free_ char *cut = text_copy_columns(text, width, 0);
	int padding = (int)(width - text_columns(cut));
	int is_last = column + 1 == table->column_count;

	if (table->columns[column].align == TABLE_RIGHT)
		fprintf(file, "%*s%s", padding, "", cut);
	else
		fprintf(file, "%s%*s", cut, is_last ? 0 : padding, "");
	fprintf(file, "%s", is_last ? "\n" : "  ");
}

void table_print(const struct table *table, size_t columns, FILE *file)
{
	size_t widths[TABLE_MAX_COLUMNS];

	measure(table, widths);
	if (columns)
		narrow(table, widths, columns);
	for (size_t i = 0; i < table->column_count; i++)
		print_cell(table, i, table->columns[i].title, widths[i], file);
	for (size_t i = 0; i < table->cell_count; i++) {
		size_t column = i % table->column_count;

		print_cell(table, column, table->cells[i], widths[column], file);
	}
}
