/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/opener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd_message.h"

/* In the child: send what opening gave. */
static __attribute__((noreturn)) void
open_and_send(open_function *open, const struct broker_request *request, int socket)
{
	int fd = -1;
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	error = open(request, &fd);
	_exit(fd_message_send(socket, &error, sizeof(error), &fd, !error) ? 1 : 0);
}

int opener_run(open_function *open, const struct broker_request *request, int *fd)
{
	_cleanup_close_ int mine = -1, theirs = -1;
	struct pollfd answer = {.events = POLLIN};
	int pair[2], error = 0, ready;
	size_t fd_count = 1;
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	mine = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (!child)
		open_and_send(open, request, theirs);
	/* Only the child holds the other end now: if it dies, that is an answer too. */
	close(steal_fd(&theirs));
	answer.fd = mine;
	do {
		ready = poll(&answer, 1, OPENER_LIMIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0) {
		kill(child, SIGKILL);
		return -ETIMEDOUT;
	}
	if (fd_message_receive(mine, &error, sizeof(error), fd, &fd_count) != sizeof(error))
		return -EIO;
	return error ? error : fd_count ? 0 : -EIO;
}
