/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged process: loads the kernel programs, or opens perf events where it must not, then waits for requests of the core and
 * answers them one by one, until a signal or the end of the core ends it. It parses nothing but
 * fixed-size messages, and of what it opens it reads at most a process's start time.
 */
#ifndef FLAME_DAEMON_BROKER_BROKER_H
#define FLAME_DAEMON_BROKER_BROKER_H

#include <sys/types.h>

#include "common/memory.h"

struct options;
struct privileges_user;
struct spawner;

struct broker_setup {
	const struct options *options;
	const struct privileges_user *user; /* to become, capabilities kept */
	const struct spawner *spawner;
	int core_socket;
	pid_t core_pid;
	int is_unsafe; /* kernel programs must not be loaded: they could freeze this kernel */
	int signal_fd; /* SIGTERM, SIGINT, SIGCHLD */
};

/* Run until SIGTERM or SIGINT (returns 0) or until something is wrong (negative errno, logged). */
must_check int broker_run(const struct broker_setup *setup);

#endif
