/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A way to flamed on another host: ssh(1) forwards a socket in a private temporary directory to the
 * daemon's socket there. Rights are those of the account that is logged in to.
 */
#ifndef FLAME_CLIENT_TUNNEL_H
#define FLAME_CLIENT_TUNNEL_H

#include <signal.h>
#include <sys/types.h>

#include "common/memory.h"

/* Initialise with tunnel_open(). */
struct tunnel {
	char *folder; /* NULL: not open */
	char *path;   /* of the socket on this side */
	pid_t ssh;
};

/*
 * Start ssh to [USER@]HOST and wait until it takes connections for remote_path; ssh itself tells
 * what is wrong on standard error and may ask for a password. interrupts are signals that are
 * blocked and end the waiting. Errors: -EHOSTUNREACH ssh ended, -EINTR, -EINVAL host is no host
 * name, those of mkdtemp(3) and fork(2).
 */
must_check int tunnel_open(struct tunnel *tunnel, const char *host, const char *remote_path,
			   const sigset_t *interrupts);

/* End ssh and remove the directory. */
void tunnel_close(struct tunnel *tunnel);

#endif
