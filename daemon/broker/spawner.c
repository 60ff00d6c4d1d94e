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
#include "daemon/broker/child_socket.h"
#include "daemon/broker/privileges.h"
#include "daemon/broker/yardstick.h"
#include "daemon/elf/reader.h"
#include "daemon/fetch/fetcher.h"

static int run_reader(int socket, const struct fetch_cache *cache)
{
	(void)cache;
	return reader_main(socket);
}

static int run_yardstick(int socket, const struct fetch_cache *cache)
{
	(void)cache;
	return yardstick_main(socket);
}

static const struct {
	const char *process; /* as ps(1) shows it */
	const char *log;
	int (*run)(int socket, const struct fetch_cache *cache);
} kinds[SPAWN_KIND_COUNT] = {
	[SPAWN_READER] = {"flamed-elf", "elf", run_reader},
	[SPAWN_FETCHER] = {"flamed-fetch", "fetch", fetcher_main},
	[SPAWN_YARDSTICK] = {"flamed-measure", "measure", run_yardstick},
};

/* In the child: do its work until the core closes its end. */
static __attribute__((noreturn)) void run_child(unsigned int kind, int socket,
						const struct fetch_cache *cache)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, kinds[kind].process);
	log_start(kinds[kind].log, log_shows(LOG_LEVEL_DEBUG) ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	_exit(kinds[kind].run(socket, cache));
}

static __attribute__((noreturn)) void run_spawner(int socket, const struct fetch_cache *cache)
{
	pid_t children[SPAWN_KIND_COUNT] = {0};

	/* Children that end are not waited for. Ctrl-C goes to all, the broker's end ends this. */
	signal(SIGCHLD, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	for (;;) {
		_cleanup_close_ int child_end = -1;
		size_t fd_count = 1;
		unsigned char kind;
		ssize_t length =
			fd_message_receive(socket, &kind, sizeof(kind), &child_end, &fd_count);

		if (length <= 0)
			_exit(0);
		if (fd_count != 1 || kind >= SPAWN_KIND_COUNT || (kind == SPAWN_FETCHER && !cache))
			continue;
		/* There is one at a time, and the one before may be stuck. */
		if (children[kind] > 0)
			kill(children[kind], SIGKILL);
		children[kind] = fork();
		if (!children[kind]) {
			close(socket);
			run_child(kind, steal_fd(&child_end), cache);
		}
		if (children[kind] < 0)
			log_error_errno(-errno, "cannot start process=%s", kinds[kind].process);
	}
}

int spawner_start(const struct privileges_user *user, const struct fetch_cache *cache,
		  struct spawner *spawner)
{
	int socket, error;
	pid_t pid = child_socket_fork(&socket);

	if (pid < 0)
		return pid;
	if (!pid) {
		error = privileges_drop_all(user, "flamed-spawn");
		if (error) {
			log_error_errno(error, "cannot drop the rights of the readers");
			_exit(1);
		}
		run_spawner(socket, cache);
	}
	*spawner = (struct spawner){pid, socket};
	return 0;
}

int spawner_request(const struct spawner *spawner, enum spawn_kind kind, int *fd)
{
	_cleanup_close_ int core_end = -1, child_end = -1;
	const unsigned char message = (unsigned char)kind;
	int pair[2], error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	core_end = pair[0];
	child_end = pair[1];
	error = fd_message_send(spawner->socket, &message, sizeof(message), &child_end, 1);
	if (error)
		return error;
	*fd = steal_fd(&core_end);
	return 0;
}
