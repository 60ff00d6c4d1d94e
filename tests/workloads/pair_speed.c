/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pair_speed [UNITS]: allocate and free for ever, with so many units of work (0) in between, and say
 * every 20 ms of CPU time how many ns of it a pair takes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/workloads/work.h"

#define SLICE_SECONDS 0.02
#define PAIRS         1000

static work_frame void pair(void)
{
	void *volatile block = malloc(100);

	free(block);
}

int main(int argc, char **argv)
{
	uint64_t units = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	int pairs = units ? 1 : PAIRS;

	for (;;) {
		double began = work_seconds(CLOCK_PROCESS_CPUTIME_ID), used;
		unsigned long count = 0;

		do {
			for (int i = 0; i < pairs; i++) {
				pair();
				if (units)
					work(units);
			}
			count += (unsigned long)pairs;
			used = work_seconds(CLOCK_PROCESS_CPUTIME_ID) - began;
		} while (used < SLICE_SECONDS);
		printf("%.1f\n", used * 1e9 / (double)count);
		fflush(stdout);
	}
}
