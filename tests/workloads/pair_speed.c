/* SPDX-License-Identifier: Apache-2.0 */
/* pair_speed: allocate and free for ever, and say every 20 ms of CPU time how many ns a pair takes. */
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

int main(void)
{
	for (;;) {
		double began = work_seconds(CLOCK_PROCESS_CPUTIME_ID), used;
		unsigned long count = 0;

		do {
			for (int i = 0; i < PAIRS; i++)
				pair();
			count += PAIRS;
			used = work_seconds(CLOCK_PROCESS_CPUTIME_ID) - began;
		} while (used < SLICE_SECONDS);
		printf("%.1f\n", used * 1e9 / (double)count);
		fflush(stdout);
	}
}
