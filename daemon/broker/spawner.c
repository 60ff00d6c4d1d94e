/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/spawner.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/fd_message.h"
#include "common/log.h"
#include "daemon/broker/privileges.h"
#include "daemon/elf/reader.h"

/* In the child: read ELF files until the core closes its end. */
static __attribute__((noreturn)) void run_reader(int socket)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "flamed-elf");
	log_start("elf", log_shows(LOG_LEVEL_DEBUG) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	_exit(reader_main(socket));
}

static __attribute__((noreturn)) void run_spawner(int socket)
{
	pid_t reader = -1;

	/* Readers that end are not waited for. Ctrl-C goes to all, the broker's end ends this. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	for (;;) {
		_cleanup_close_ int reader_end = -1;
		size_t fd_count = 1;
		char byte;
		ssize_t length =
			fd_message_receive(socket, &byte, sizeof(byte), &reader_end, &fd_count);

		if (length <= 0)
			_exit(0);
		if (fd_count != 1)
			continue;
		/* There is one at a time, and the one before may be stuck. */
		if (reader > 0)
			kill(reader, SIGKILL);
		reader = fork();
		if (!reader) {
			close(socket);
			run_reader(steal_fd(&reader_end));
		}
		if (reader < 0)
			log_error_errno(-errno, "cannot start the elf reader");
	}
}

int spawner_start(const struct privileges_user *user, struct spawner *spawner)
{
	int pair[2], error;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0) {
		error = -errno;
		close(pair[0]);
		close(pair[1]);
		return error;
	}
	if (!pid) {
		close(pair[0]);
		error = privileges_drop_all(user, "flamed-spawn");
		if (error) {
			log_error_errno(error, "cannot drop the rights of the elf reader");
			_exit(1);
		}
		run_spawner(pair[1]);
	}
	close(pair[1]);
	*spawner = (struct spawner){pid, pair[0]};
	return 0;
}

int spawner_request(const struct spawner *spawner, int *fd)
{
	_cleanup_close_ int core_end = -1, reader_end = -1;
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	core_end = pair[0];
	reader_end = pair[1];
	error = fd_message_send(spawner->socket, "r", 1, &reader_end, 1);
	if (error)
		return error;
	*fd = steal_fd(&core_end);
	return 0;
}
