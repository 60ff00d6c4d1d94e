/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr2line(1) of binutils, asked for the functions that were inlined at an address.
 */
#ifndef FLAME_CLIENT_FORMATS_ADDR2LINE_H
#define FLAME_CLIENT_FORMATS_ADDR2LINE_H

#include <stddef.h>

#include "common/memory.h"

#define ADDR2LINE_MAX_BYTES (1u << 20)

struct addr2line_function {
	char *name;
	char *place; /* "file.c:12" */
};

/* Innermost first. */
struct addr2line_answer {
	struct addr2line_function *functions;
	size_t count;
	size_t capacity;
};

/*
 * Ask about pc (hexadecimal) in module. When it is not known there and symbol is "name+0x12", the
 * offset is asked for instead. An answer of no functions is no error. Errors: those of starting it.
 */
must_check int addr2line_ask(struct addr2line_answer *answer, const char *module, const char *pc,
			     const char *symbol);
void addr2line_fini(struct addr2line_answer *answer);

/* Take over what it printed. */
void addr2line_parse(struct addr2line_answer *answer, const char *text, size_t length);

#endif
