/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample_program [SECONDS]: spend 70 % of the CPU in compute_hot, 20 % in compute_medium and 10 %
 * in compute_cold, all called by run_workload, called by main. Runs for ever without SECONDS.
 *
 * In each round the calls come in another order: a loop that is always the same has a rhythm, and
 * what is looked at in a rhythm of its own may show the same part again and again.
 */
#include <stdlib.h>

#include "tests/workloads/work.h"

#define CALLS      10 /* in a round; the shares are exact in each */
#define CALL_UNITS 100

static work_frame void compute_hot(void)
{
	work(CALL_UNITS);
}

static work_frame void compute_medium(void)
{
	work(CALL_UNITS);
}

static work_frame void compute_cold(void)
{
	work(CALL_UNITS);
}

static void shuffle(void (*calls[CALLS])(void))
{
	for (long i = CALLS - 1; i > 0; i--) {
		long other = random() % (i + 1);
		void (*call)(void) = calls[i];

		calls[i] = calls[other];
		calls[other] = call;
	}
}

static work_frame void run_workload(double seconds)
{
	void (*calls[CALLS])(void) = {
		compute_hot, compute_hot, compute_hot,    compute_hot,    compute_hot,
		compute_hot, compute_hot, compute_medium, compute_medium, compute_cold,
	};
	double end = work_seconds(CLOCK_MONOTONIC) + seconds;

	do {
		shuffle(calls);
		for (int i = 0; i < CALLS; i++)
			calls[i]();
	} while (seconds == 0 || work_seconds(CLOCK_MONOTONIC) < end);
}

int main(int argc, char **argv)
{
	run_workload(argc > 1 ? strtod(argv[1], NULL) : 0);
	return 0;
}
