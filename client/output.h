/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the result of a command goes: to a file (-o) or to standard output. It is made in memory
 * first, so that a failure leaves no half a file behind.
 */
#ifndef FLAME_CLIENT_OUTPUT_H
#define FLAME_CLIENT_OUTPUT_H

#include <stddef.h>
#include <stdio.h>

/* A file in memory: *text (Owned, free) and *length are set when it is closed. Exits on failure. */
FILE *output_memory(char **text, size_t *length);

/* Write bytes to the file at path ("-" or NULL: standard output); tells and exits on failure. */
void output_write(const char *path, const char *bytes, size_t length);

/*
 * For what is too large for memory: open the same place, and close it; both tell and exit on
 * failure.
 */
FILE *output_open(const char *path);
void output_close(FILE *file, const char *path);

/* Write a piece to a FILE, as profile_json_write() asks for it. Returns 0 or -EIO. */
int output_piece(void *file, const char *bytes, size_t length);

#endif
