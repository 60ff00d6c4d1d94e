/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/descriptors.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static int compare_numbers(const void *one, const void *other)
{
	int a = *(const int *)one, b = *(const int *)other;

	return (a > b) - (a < b);
}

void descriptors_close_others(int *kept, size_t count)
{
	int last = STDERR_FILENO;

	qsort(kept, count, sizeof(kept[0]), compare_numbers);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] > last + 1)
			close_range((unsigned int)last + 1, (unsigned int)kept[i] - 1, 0);
		last = kept[i] > last ? kept[i] : last;
	}
	close_range((unsigned int)last + 1, UINT_MAX, 0);
}
