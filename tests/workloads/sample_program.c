/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample_program [SECONDS]: spend 70 % of the CPU in compute_hot, 20 % in compute_medium and 10 %
 * in compute_cold, all called by run_workload, called by main. Runs for ever without SECONDS.
 */
#include <stdlib.h>

#include "tests/workloads/work.h"

static work_frame void compute_hot(void)
{
	work(700);
}

static work_frame void compute_medium(void)
{
	work(200);
}

static work_frame void compute_cold(void)
{
	work(100);
}

static work_frame void run_workload(double seconds)
{
	double end = work_seconds(CLOCK_MONOTONIC) + seconds;

	do {
		compute_hot();
		compute_medium();
		compute_cold();
	} while (seconds == 0 || work_seconds(CLOCK_MONOTONIC) < end);
}

int main(int argc, char **argv)
{
	run_workload(argc > 1 ? strtod(argv[1], NULL) : 0);
	return 0;
}
