/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the unwind rows made of a file with what elfutils says about the same code, row by row:
 * an interpreter that other people wrote, slow and thorough. The unit tests ask it about a few
 * files, the benchmark about every one that is installed.
 */
#ifndef FLAME_TESTS_UNWIND_UNWIND_ORACLE_H
#define FLAME_TESTS_UNWIND_UNWIND_ORACLE_H

#include <stddef.h>
#include <stdint.h>

struct unwind_comparison {
	uint64_t functions;
	uint64_t oracle_functions; /* as elfutils counts them */
	uint64_t rows;             /* compared */
	uint64_t unsupported;      /* rows with no rule that could be followed */
	uint64_t different;        /* rows on which the two do not agree */
	char first_difference[256];
};

/* Compare the rows of the file in fd. Returns 0, or a negative errno: not such a file. */
int unwind_oracle_compare(int fd, struct unwind_comparison *comparison);

#endif
