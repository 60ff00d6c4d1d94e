/* SPDX-License-Identifier: Apache-2.0 */
#include "client/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/terminal.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "common/text.h"

#define BAR_COLUMNS 24

static int is_shown;

void progress_show(double part, double whole, const char *text)
{
	_cleanup_free_ char *line = NULL;
	char bar[BAR_COLUMNS + 1];

	if (!isatty(STDERR_FILENO))
		return;
	memset(bar, ' ', BAR_COLUMNS);
	bar[BAR_COLUMNS] = 0;
	if (whole > 0)
		memset(bar, '#', (size_t)(fmin(part / whole, 1) * BAR_COLUMNS));
	if (whole > 0)
		line = memory_format("[%s] %.1f of %.1f s, %s", bar, fmin(part, whole), whole,
				     text);
	else
		line = memory_format("%.1f s, %s", part, text);
	/* A line that wraps could not be overwritten. */
	size_t columns = terminal_columns();
	_cleanup_free_ char *cut =
		text_copy_columns(line, columns ? columns - 1 : TERMINAL_DEFAULT_COLUMNS - 1, 0);
	fprintf(stderr, "\r%s\033[K", cut);
	fflush(stderr);
	is_shown = 1;
}

void progress_clear(void)
{
	if (is_shown)
		fputs("\r\033[K", stderr);
	is_shown = 0;
}
