/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How processes of the daemon come to be that are talked to: by a fork with a socket between parent
 * and child. Each holds its own end alone, so that either sees the other end.
 */
#ifndef FLAME_DAEMON_BROKER_CHILD_SOCKET_H
#define FLAME_DAEMON_BROKER_CHILD_SOCKET_H

#include <sys/types.h>

#include "common/memory.h"

/*
 * As fork(2): returns the child's pid in the parent, 0 in the child. Owned: *fd, the own end of a
 * SOCK_SEQPACKET pair, closed at exec. Errors: as socketpair(2) and fork(2).
 */
must_check pid_t child_socket_fork(int *fd);

#endif
