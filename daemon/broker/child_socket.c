/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/child_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"

pid_t child_socket_fork(int *fd)
{
	_cleanup_close_ int parent_end = -1, child_end = -1;
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	parent_end = pair[0];
	child_end = pair[1];
	child = fork();
	if (child < 0)
		return -errno;
	*fd = steal_fd(child ? &parent_end : &child_end);
	return child;
}
