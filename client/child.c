/* SPDX-License-Identifier: Apache-2.0 */
#include "client/child.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

static _Noreturn void become_program(int gate, int failure, char **arguments, const sigset_t *mask)
{
	char go;

	sigprocmask(SIG_SETMASK, mask, NULL);
	if (read(gate, &go, 1) != 1)
		_exit(EXIT_FAILURE); /* flamectl is gone */
	execvp(arguments[0], arguments);
	int error = errno;
	if (write(failure, &error, sizeof(error)) != sizeof(error))
		_exit(EXIT_FAILURE);
	_exit(EXIT_FAILURE);
}

int child_start(struct child *child, char **arguments, const sigset_t *mask)
{
	int gate[2], failure[2];

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int gate_out = gate[0];
	_cleanup_close_ int gate_in = gate[1];
	if (pipe2(failure, O_CLOEXEC) < 0)
		return -errno;
	_cleanup_close_ int failure_out = failure[0];
	_cleanup_close_ int failure_in = failure[1];
	pid_t pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* Its own end of the gate would keep it from noticing that we are gone. */
		close(steal_fd(&gate_in));
		become_program(gate_out, failure_in, arguments, mask);
	}
	*child = (struct child){pid, steal_fd(&gate_in), steal_fd(&failure_out)};
	return 0;
}

int child_release(struct child *child)
{
	_cleanup_close_ int gate = child->gate;
	_cleanup_close_ int failure = child->failure;
	int error = 0;
	ssize_t count;

	child->gate = -1;
	child->failure = -1;
	if (write(gate, "", 1) != 1)
		return -ECHILD;
	/* Closed by exec, or told what went wrong with it. */
	do
		count = read(failure, &error, sizeof(error));
	while (count < 0 && errno == EINTR);
	if (count != (ssize_t)sizeof(error))
		return 0;
	child_wait(child);
	return -error;
}

int child_wait(struct child *child)
{
	int status = 0;

	while (waitpid(child->pid, &status, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILURE;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
