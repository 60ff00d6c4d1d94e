/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/symbol_text.h"

#include <stdio.h>

const char *symbol_text(const struct symbol_table *table)
{
	static char text[4096];
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < table->symbol_count && used < sizeof(text); i++) {
		const struct module_symbol *symbol = &table->symbols[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llx-%llx %s",
					 i ? "|" : "", (unsigned long long)symbol->offset,
					 (unsigned long long)symbol->offset + symbol->size,
					 table->text + symbol->name);
	}
	return text;
}
