/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leaky: after a line on stdin leak 20 MB, fill a cache of 16 MB and churn through 4 GB, with less
 * than 3000 allocations a second, then wait. Says what it leaked and cached: "leak BYTES cache BYTES".
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/workloads/work.h"

#define ROUNDS        5000
#define LEAK_BYTES    4000
#define CACHE_BLOCKS  1000
#define CACHE_BYTES   16000
#define CHURNS        13 /* of a round */
#define CHURN_BYTES   65536
#define ROUND_SECONDS 0.005

static void *volatile sink;
static void *volatile cache[CACHE_BLOCKS];

static work_frame void leak(void)
{
	sink = malloc(LEAK_BYTES);
}

static work_frame void fill_cache(int number)
{
	cache[number] = malloc(CACHE_BYTES);
}

static work_frame void churn(void)
{
	void *block = malloc(CHURN_BYTES);

	sink = block;
	free(block);
}

int main(void)
{
	struct timespec rest = {.tv_nsec = 1000000};
	double began;

	if (getchar() == EOF)
		return 1;
	began = work_seconds(CLOCK_MONOTONIC);
	for (int i = 0; i < ROUNDS; i++) {
		leak();
		if (i < CACHE_BLOCKS)
			fill_cache(i);
		for (int j = 0; j < CHURNS; j++)
			churn();
		while (work_seconds(CLOCK_MONOTONIC) - began < i * ROUND_SECONDS)
			nanosleep(&rest, NULL);
	}
	printf("leak %d cache %d\n", ROUNDS * LEAK_BYTES, CACHE_BLOCKS * CACHE_BYTES);
	fflush(stdout);
	pause();
	return 0;
}
