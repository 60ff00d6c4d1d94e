/* SPDX-License-Identifier: Apache-2.0 */
/*
 * children fork|exec COUNT UNITS: make COUNT children one after the other (0: for ever), each of
 * which does UNITS of work in child_work and exits; with "exec" it runs this program anew for that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/workloads/work.h"

static work_frame void child_work(uint64_t units)
{
	work(units);
	work_result++;
}

static _Noreturn void run_child(char **argv, const char *units)
{
	if (strcmp(argv[1], "exec") == 0)
		execl("/proc/self/exe", argv[0], "child", "1", units, (char *)NULL);
	child_work(strtoull(units, NULL, 10));
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: children fork|exec COUNT UNITS\n");
		return 2;
	}
	if (strcmp(argv[1], "child") == 0)
		run_child(argv, argv[3]);

	unsigned long count = strtoul(argv[2], NULL, 10);

	for (unsigned long i = 0; count == 0 || i < count; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (pid == 0)
			run_child(argv, argv[3]);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
