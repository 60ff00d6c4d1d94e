/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/opener.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd_message.h"
#include "daemon/broker/child_socket.h"

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
	_cleanup_close_ int socket = -1;
	struct pollfd answer = {.events = POLLIN};
	pid_t child = child_socket_fork(&socket);
	size_t fd_count = 1;
	int error = 0, ready;

	if (child < 0)
		return child;
	if (!child)
		open_and_send(open, request, socket);
	/* If it dies, that is an answer too. */
	answer.fd = socket;
	do {
		ready = poll(&answer, 1, OPENER_LIMIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0) {
		kill(child, SIGKILL);
		return -ETIMEDOUT;
	}
	if (fd_message_receive(socket, &error, sizeof(error), fd, &fd_count) != sizeof(error))
		return -EIO;
	return error ? error : fd_count ? 0 : -EIO;
}
