/* SPDX-License-Identifier: Apache-2.0 */
/* A symbol table as text, to be compared with what is expected. */
#ifndef FLAME_TESTS_UNIT_SYMBOL_TEXT_H
#define FLAME_TESTS_UNIT_SYMBOL_TEXT_H

#include "daemon/elf/symbol_table.h"

/* "start-end name|start-end name", in hexadecimal. Borrowed: valid until the next call. */
const char *symbol_text(const struct symbol_table *table);

#endif
