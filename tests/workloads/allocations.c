/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocations RATE [wait [fork]]: allocate RATE times a second (0: as fast as can be) in a few
 * functions whose shares are known, for ever; with a line on stdin, stop and tell what is held.
 * With "wait" it begins with a line, too; with "fork" it forks then, and the child does the same
 * from SIGUSR1 on. What is held and by whom:
 *
 *	leak	one of 64 allocations, 1000 bytes, never freed
 *	cache	the first 256 allocations of 4096 bytes, kept for ever
 *	churn	all others: 500 bytes, freed at once
 *
 * Prints "leak BYTES cache BYTES churn BYTES pid PID" when it ends.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/workloads/work.h"

#define CACHE_BLOCKS 256
#define CACHE_BYTES  4096
#define LEAK_BYTES   1000
#define CHURN_BYTES  500
#define LEAK_EVERY   64
#define BATCH        100

static uint64_t leaked, cached, churned;
static void *volatile sink;
static void *volatile cache[CACHE_BLOCKS];

static work_frame void leak(void)
{
	sink = malloc(LEAK_BYTES);
	leaked += LEAK_BYTES;
}

static work_frame void fill_cache(uint64_t number)
{
	cache[number] = malloc(CACHE_BYTES);
	cached += CACHE_BYTES;
}

static work_frame void churn(void)
{
	void *block = malloc(CHURN_BYTES);

	sink = block;
	free(block);
	churned += CHURN_BYTES;
}

static work_frame void allocate(uint64_t number)
{
	if (number < CACHE_BLOCKS)
		fill_cache(number);
	else if (number % LEAK_EVERY == 0)
		leak();
	else
		churn();
}

static int is_told_to_stop(void)
{
	struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&input, 1, 0) == 1 && input.revents & POLLIN;
}

/* The child waits until it is looked at, and does not stay behind: it holds what a test waits for. */
static void fork_child(void)
{
	sigset_t signals;
	int signal;

	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigwait(&signals, &signal);
}

int main(int argc, char **argv)
{
	uint64_t rate = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000;
	double began = work_seconds(CLOCK_MONOTONIC);
	struct timespec rest = {.tv_nsec = 1000000};
	uint64_t number = 0;

	/* Whoever watches wants to be there first. */
	if (argc > 2)
		while (!is_told_to_stop())
			nanosleep(&rest, NULL);
	if (argc > 2 && getchar() == EOF)
		return 1;
	if (argc > 3)
		fork_child();
	began = work_seconds(CLOCK_MONOTONIC);
	while (!is_told_to_stop()) {
		for (int i = 0; i < BATCH; i++)
			allocate(number++);
		while (rate &&
		       (double)number / (double)rate > work_seconds(CLOCK_MONOTONIC) - began)
			nanosleep(&rest, NULL);
	}
	printf("leak %llu cache %llu churn %llu pid %d\n", (unsigned long long)leaked,
	       (unsigned long long)cached, (unsigned long long)churned, (int)getpid());
	fflush(stdout);
	while (1)
		pause();
	return 0;
}
