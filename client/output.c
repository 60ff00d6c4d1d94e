/* SPDX-License-Identifier: Apache-2.0 */
#include "client/output.h"

#include <err.h>
#include <stdio.h>
#include <string.h>

#include "client/command.h"

void output_write(const char *path, const char *bytes, size_t length)
{
	int is_standard = !path || strcmp(path, "-") == 0;
	FILE *file = is_standard ? stdout : fopen(path, "we");

	if (!file)
		err(EXIT_FAILED, "%s cannot be written", path);
	size_t written = fwrite(bytes, 1, length, file);
	int is_bad = written != length || fflush(file) == EOF;
	if (is_bad)
		err(EXIT_FAILED, "%s cannot be written", is_standard ? "standard output" : path);
	if (!is_standard && fclose(file) == EOF)
		err(EXIT_FAILED, "%s cannot be written", path);
}
