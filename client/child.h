/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command that record runs: started as a process that waits, so that it can be attached before
 * its first instruction, and then let go to become the program.
 */
#ifndef FLAME_CLIENT_CHILD_H
#define FLAME_CLIENT_CHILD_H

#include <signal.h>
#include <sys/types.h>

#include "common/memory.h"

/* Initialise with child_start(). */
struct child {
	pid_t pid;
	int gate;    /* written to: the child goes on */
	int failure; /* read from: the errno of exec, or nothing */
};

/*
 * Start a process that waits to run arguments with the signal mask given; it ends when we end
 * before. Errors: those of pipe(2) and fork(2).
 */
must_check int child_start(struct child *child, char **arguments, const sigset_t *mask);

/* Let it run the program. Errors: those of execve(2); the child is gone then. */
must_check int child_release(struct child *child);

/* Wait until it ends. Returns its exit code, 128 + the signal that ended it. */
int child_wait(struct child *child);

#endif
