/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "daemon/elf/perf_map.h"
#include "tests/fuzz/target.h"

/* Whatever the text says, the symbols are in order, do not overlap and have names. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(symbol_table_fini) struct symbol_table table = {0};
	uint64_t end = 0;

	perf_map_parse((const char *)data, size, &table);
	for (size_t i = 0; i < table.symbol_count; i++) {
		const struct module_symbol *symbol = &table.symbols[i];

		if (symbol->offset < end || !symbol->size || symbol->name >= table.text_bytes ||
		    !table.text[symbol->name])
			abort();
		end = symbol->offset + symbol->size;
	}
	if (table.text_bytes && table.text[table.text_bytes - 1])
		abort();
	return 0;
}
