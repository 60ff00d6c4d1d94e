/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tracer PID SECONDS: do to a process for so long what debuggers do: step through its instructions
 * one by one, stop it at its system calls, let it run and interrupt it. Then let go of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define STEPS 3000
#define CALLS 20

/* Resume with a request until the next stop; a signal that is not of tracing is passed on. */
static int resume(enum __ptrace_request request, pid_t pid)
{
	static long signal;
	int status;

	if (ptrace(request, pid, NULL, signal) || waitpid(pid, &status, __WALL) != pid ||
	    !WIFSTOPPED(status))
		return -1;
	signal = WSTOPSIG(status) & 0x7f;
	if (signal == SIGTRAP || signal == SIGSTOP)
		signal = 0;
	return 0;
}

int main(int argc, char **argv)
{
	pid_t pid = argc > 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	double end = argc > 2 ? work_seconds(CLOCK_MONOTONIC) + strtod(argv[2], NULL) : 0;
	struct timespec rest = {.tv_nsec = 20000000};
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL)) {
		perror("tracer");
		return 1;
	}
	while (work_seconds(CLOCK_MONOTONIC) < end) {
		if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) ||
		    waitpid(pid, &status, __WALL) != pid)
			return 1;
		for (int i = 0; i < STEPS; i++)
			if (resume(PTRACE_SINGLESTEP, pid))
				return 1;
		for (int i = 0; i < CALLS; i++)
			if (resume(PTRACE_SYSCALL, pid))
				return 1;
		if (ptrace(PTRACE_CONT, pid, NULL, NULL))
			return 1;
		nanosleep(&rest, NULL);
	}
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || waitpid(pid, &status, __WALL) != pid)
		return 1;
	return ptrace(PTRACE_DETACH, pid, NULL, NULL) != 0;
}
