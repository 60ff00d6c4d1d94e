/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket that clients connect to: inherited from systemd, or bound here. Anybody may connect;
 * what a peer may do is decided for each request by its credentials.
 */
#ifndef FLAME_DAEMON_LISTENER_H
#define FLAME_DAEMON_LISTENER_H

#include <sys/types.h>

#include "common/memory.h"

#define LISTENER_BACKLOG 128

struct listener {
	int fd;
	char *bound_path; /* to be removed at the end; NULL when it was inherited. Owned. */
};

/*
 * Inherit the socket or bind path for a daemon that will run as that user. A socket left over by a
 * daemon that is gone is replaced. Errors: -EADDRINUSE when a daemon answers on path, -EEXIST when
 * path is something else than a socket, -ENAMETOOLONG.
 */
must_check int listener_open(struct listener *listener, const char *path, uid_t user, gid_t group);

/* Close the socket and remove its path if that is permitted. */
void listener_close(struct listener *listener);

#endif
