/* SPDX-License-Identifier: Apache-2.0 */
/*
 * addr2line(1) of binutils, asked for the functions that were inlined at an address: one process a
 * module, which answers again and again. Only so many run at once; one that is silent for too long
 * is ended, and its module asked about no more.
 */
#ifndef FLAME_CLIENT_FORMATS_ADDR2LINE_H
#define FLAME_CLIENT_FORMATS_ADDR2LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/intern.h"
#include "common/memory.h"

#define ADDR2LINE_MAX_BYTES     (1u << 20) /* of an answer */
#define ADDR2LINE_MAX_PROCESSES 8u
#define ADDR2LINE_PATIENCE_MS   60000 /* it may have to read gigabytes of debug information first */

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

struct addr2line_process;

struct addr2line {
	int patience_ms;
	struct intern modules; /* that were asked about, by path */
	struct addr2line_process *processes[ADDR2LINE_MAX_PROCESSES];
	uint64_t questions;   /* so far */
	uint8_t *is_given_up; /* by module */
	size_t module_capacity;
	uint32_t silent; /* modules about which there was no answer in time */
	int is_missing;  /* there is no such program */
};

void addr2line_init(struct addr2line *addr2line, int patience_ms);
void addr2line_fini(struct addr2line *addr2line);

/*
 * Ask about pc (hexadecimal) in module. When it is not known there and symbol is "name+0x12", the
 * offset is asked for instead. No functions are no error; what went wrong is in addr2line.
 */
void addr2line_ask(struct addr2line *addr2line, const char *module, const char *pc,
		   const char *symbol, struct addr2line_answer *answer);
void addr2line_answer_fini(struct addr2line_answer *answer);

/*
 * Take over what it printed for one address and, behind it, for the address that ends an answer.
 * Returns non-zero when the end is there.
 */
int addr2line_parse(struct addr2line_answer *answer, const char *text, size_t length);

#endif
