/* SPDX-License-Identifier: Apache-2.0 */
#include "client/output.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/command.h"

static int is_standard(const char *path)
{
	return !path || strcmp(path, "-") == 0;
}

FILE *output_memory(char **text, size_t *length)
{
	FILE *file = open_memstream(text, length);

	if (!file)
		err(EXIT_FAILED, "memory");
	return file;
}

FILE *output_open(const char *path)
{
	FILE *file = is_standard(path) ? stdout : fopen(path, "we");

	if (!file)
		err(EXIT_FAILED, "%s cannot be written", path);
	return file;
}

void output_close(FILE *file, const char *path)
{
	int is_bad = ferror(file) || fflush(file) == EOF;

	if (is_bad)
		err(EXIT_FAILED, "%s cannot be written",
		    is_standard(path) ? "standard output" : path);
	if (!is_standard(path) && fclose(file) == EOF)
		err(EXIT_FAILED, "%s cannot be written", path);
}

void output_write(const char *path, const char *bytes, size_t length)
{
	FILE *file = output_open(path);

	fwrite(bytes, 1, length, file);
	output_close(file, path);
}

int output_piece(void *file, const char *bytes, size_t length)
{
	return fwrite(bytes, 1, length, file) == length ? 0 : -EIO;
}
