/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the result of a command goes: to a file (-o) or to standard output. It is made in memory
 * first, so that a failure leaves no half a file behind.
 */
#ifndef FLAME_CLIENT_OUTPUT_H
#define FLAME_CLIENT_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

/* Write bytes to the file at path ("-" or NULL: standard output); tells and exits on failure. */
void output_write(const char *path, const char *bytes, size_t length);

/*
 * For what is too large for memory: open the same place, and close it; both tell and exit on
 * failure.
 */
FILE *output_open(const char *path);
void output_close(FILE *file, const char *path);

#endif
