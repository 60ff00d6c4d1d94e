/* SPDX-License-Identifier: Apache-2.0 */
#include "client/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BAR_COLUMNS 30

static int is_shown;

void progress_show(double part, double whole, const char *text)
{
	char bar[BAR_COLUMNS + 1];

	if (!isatty(STDERR_FILENO))
		return;
	memset(bar, ' ', BAR_COLUMNS);
	bar[BAR_COLUMNS] = 0;
	if (whole > 0) {
		memset(bar, '#', (size_t)(fmin(part / whole, 1) * BAR_COLUMNS));
		fprintf(stderr, "\r[%s] %4.1f of %.1f s, %s\033[K", bar, fmin(part, whole), whole,
			text);
	} else {
		fprintf(stderr, "\r%.1f s, %s\033[K", part, text);
	}
	fflush(stderr);
	is_shown = 1;
}

void progress_clear(void)
{
	if (is_shown)
		fputs("\r\033[K", stderr);
	is_shown = 0;
}
