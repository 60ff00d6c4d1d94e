/* SPDX-License-Identifier: Apache-2.0 */
/* busy_share PERCENT: spend that share of one CPU in spend, asleep for the rest, for ever. */
#include <stdlib.h>

#include "tests/workloads/work.h"

#define PERIOD 0.01 /* seconds */

static work_frame void spend(double seconds)
{
	double end = work_seconds(CLOCK_THREAD_CPUTIME_ID) + seconds;

	while (work_seconds(CLOCK_THREAD_CPUTIME_ID) < end)
		work(10);
}

int main(int argc, char **argv)
{
	double share = argc > 1 ? strtod(argv[1], NULL) / 100 : 0.5;
	struct timespec rest = {.tv_nsec = (long)(PERIOD * 1e9 * (1 - share))};

	for (;;) {
		spend(PERIOD * share);
		nanosleep(&rest, NULL);
	}
	return 0;
}
