/* SPDX-License-Identifier: Apache-2.0 */
/*
 * allocation_dangers WHAT SECONDS: do for so long what probes in an allocator could break, and end
 * with status 0 if nothing did. WHAT is threads, longjmp, fork, exec, exit or seccomp.
 */
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/workloads/work.h"

#define THREADS 200
#define BLOCKS  32

#define RESERVE_BYTES  (64 << 20)
#define SECCOMP_ROUNDS 500 /* of a second or so */

static double end;

static int is_over(void)
{
	return work_seconds(CLOCK_MONOTONIC) > end;
}

/* Allocate, grow, check and free; non-zero when what was written is not there. */
static int exercise(unsigned int seed)
{
	unsigned char *blocks[BLOCKS];
	int wrong = 0;

	for (unsigned int i = 0; i < BLOCKS; i++) {
		size_t size = (seed * 31 + i * 97) % 5000 + 1;

		blocks[i] = i % 3 ? malloc(size) : calloc(size, 1);
		blocks[i][0] = (unsigned char)(seed + i);
	}
	for (unsigned int i = 0; i < BLOCKS; i++) {
		blocks[i] = realloc(blocks[i], (seed * 17 + i * 53) % 9000 + 1);
		wrong |= blocks[i][0] != (unsigned char)(seed + i);
		free(blocks[i]);
	}
	return wrong;
}

static void *allocate_in_thread(void *context)
{
	unsigned int seed = (unsigned int)(uintptr_t)context;
	struct timespec rest = {.tv_nsec = 50000000};
	uintptr_t wrong = 0;

	while (!is_over()) {
		wrong |= (uintptr_t)exercise(seed++);
		nanosleep(&rest, NULL);
	}
	return (void *)wrong;
}

static int do_threads(char **argv)
{
	pthread_t threads[THREADS];
	int wrong = 0;

	(void)argv;
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, allocate_in_thread, (void *)i))
			return 1;
	for (int i = 0; i < THREADS; i++) {
		void *result;

		pthread_join(threads[i], &result);
		wrong |= result != NULL;
	}
	return wrong;
}

static jmp_buf back;

static work_frame void jump_out(void *block)
{
	free(block);
	longjmp(back, 1);
}

static int do_longjmp(char **argv)
{
	volatile unsigned int seed = 0;
	volatile int wrong = 0;

	(void)argv;
	while (!is_over()) {
		if (!setjmp(back))
			jump_out(malloc(seed % 1000 + 1));
		wrong |= exercise(seed++);
	}
	return wrong;
}

static int do_fork(char **argv)
{
	int wrong = 0;

	(void)argv;
	for (unsigned int seed = 0; !is_over(); seed++) {
		int status = 1;
		pid_t child;

		wrong |= exercise(seed);
		child = fork();
		if (!child)
			_exit(exercise(seed + 1));
		wrong |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
	}
	return wrong;
}

/* SECONDS becomes the time at which it is over. */
static int do_exec(char **argv)
{
	struct timespec rest = {.tv_nsec = 20000000};
	char until[64];

	if (strcmp(argv[0], "again") == 0)
		end = strtod(argv[2], NULL);
	if (is_over())
		return 0;
	if (exercise(7))
		return 1;
	nanosleep(&rest, NULL);
	snprintf(until, sizeof(until), "%.6f", end);
	execl("/proc/self/exe", "again", "exec", until, (char *)NULL);
	return 1;
}

static void *allocate_for_ever(void *context)
{
	for (unsigned int seed = (unsigned int)(uintptr_t)context;; seed++)
		exercise(seed);
	return NULL;
}

static int do_exit(char **argv)
{
	struct timespec rest = {.tv_nsec = 10000000};
	pthread_t thread;

	(void)argv;
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, allocate_for_ever, (void *)i))
			return 1;
	while (!is_over())
		nanosleep(&rest, NULL);
	exit(0);
}

/* Only read, write, exit and sigreturn are allowed in the end; the clock may not be read either. */
static int do_seccomp(char **argv)
{
	unsigned int seed = 0, rounds = (unsigned int)strtoul(argv[2], NULL, 10) * SECCOMP_ROUNDS;
	int wrong = 0;

	/* What the allocator wants of the system it gets before, and keeps. */
	mallopt(M_TRIM_THRESHOLD, RESERVE_BYTES);
	mallopt(M_TOP_PAD, RESERVE_BYTES);
	for (; seed < 100; seed++)
		wrong |= exercise(seed);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 1;
	for (unsigned int i = 0; i < rounds; i++) {
		wrong |= exercise(seed++ % 100);
		/* An allocation here, one there: not more than can be recorded. */
		work(1000);
	}
	syscall(SYS_exit, wrong);
	return 1;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} dangers[] = {
	{"threads", do_threads}, {"longjmp", do_longjmp}, {"fork", do_fork},
	{"exec", do_exec},       {"exit", do_exit},       {"seccomp", do_seccomp},
};

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	end = work_seconds(CLOCK_MONOTONIC) + strtod(argv[2], NULL);
	for (size_t i = 0; i < sizeof(dangers) / sizeof(dangers[0]); i++)
		if (strcmp(dangers[i].name, argv[1]) == 0)
			return dangers[i].run(argv);
	return 2;
}
