/* SPDX-License-Identifier: Apache-2.0 */
#include "client/amount.h"

#include <math.h>

#include "common/memory.h"

char *amount_bytes(double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	size_t unit = 0;

	while (fabs(bytes) >= 1023.95 && unit + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		unit++;
	}
	return memory_format(unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

char *amount_age(double seconds)
{
	long left = (long)seconds;

	if (left < 60)
		return memory_format("%lds", left);
	if (left < 3600)
		return memory_format("%ldm%02lds", left / 60, left % 60);
	return memory_format("%ldh%02ldm", left / 3600, left / 60 % 60);
}

char *amount_count(double count, const char *noun)
{
	return memory_format("%.0f %s%s", count, noun, round(count) == 1 ? "" : "s");
}
