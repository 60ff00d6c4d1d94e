/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One datagram with file descriptors over a UNIX socket: sendmsg(2) and recvmsg(2) with SCM_RIGHTS,
 * interrupted calls repeated, descriptors close-on-exec, surplus ones closed.
 *
 * The kernel counts descriptors that are on their way, of all processes of a user, against each one's
 * own limit of open files: who sends waits a while when there are too many.
 */
#ifndef FLAME_COMMON_FD_MESSAGE_H
#define FLAME_COMMON_FD_MESSAGE_H

#include <stddef.h>
#include <sys/types.h>

#include "common/memory.h"

#define FD_MESSAGE_MAX_FDS     32
#define FD_MESSAGE_PATIENCE_MS 5000

/* Send length bytes and fd_count descriptors (which stay the caller's). Errors: as sendmsg(2). */
must_check int fd_message_send(int socket, const void *data, size_t length, const int *fds,
			       size_t fd_count);

/*
 * Receive at most size bytes and *fd_count descriptors (Owned by the caller); *fd_count is set to
 * what came. Returns the bytes received, 0 when the peer is gone. Errors: as recvmsg(2), and
 * -EMSGSIZE when the datagram or its descriptors do not fit.
 */
must_check ssize_t fd_message_receive(int socket, void *data, size_t size, int *fds,
				      size_t *fd_count);

#endif
