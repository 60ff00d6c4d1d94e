/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"

#define CHECK_INTERVAL_NS (20 * NS_PER_MS)

static int make_folder(struct tunnel *tunnel)
{
	const char *parent = getenv("XDG_RUNTIME_DIR");

	if (!parent || *parent != '/' || access(parent, W_OK) < 0)
		parent = "/tmp";
	tunnel->folder = memory_format("%s/flamectl-XXXXXX", parent);
	if (!mkdtemp(tunnel->folder)) {
		int error = -errno;

		free(tunnel->folder);
		tunnel->folder = NULL;
		return error;
	}
	tunnel->path = memory_format("%s/flamed.sock", tunnel->folder);
	return 0;
}

/*
 * In the child: become ssh. It asks on the terminal, never on our input, and leaves Ctrl-C to us:
 * the command may still have something to fetch.
 */
static _Noreturn void become_ssh(const char *forward, const char *host, pid_t parent,
				 const sigset_t *interrupts)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0)
		dup2(null, STDIN_FILENO);
	if (null >= 0)
		dup2(null, STDOUT_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EXIT_FAILURE);
	signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_UNBLOCK, interrupts, NULL);
	execlp("ssh", "ssh", "-N", "-T", "-o", "ExitOnForwardFailure=yes", "-o",
	       "StreamLocalBindUnlink=yes", "-o", "StreamLocalBindMask=0177", "-L", forward, "--",
	       host, (char *)NULL);
	dprintf(STDERR_FILENO, "flamectl: cannot run ssh: %s\n", strerror(errno));
	_exit(127);
}

static int takes_connections(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return 0;
	strcpy(address.sun_path, path);
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
}

/* ssh makes the socket when it is logged in. */
static int wait_for_socket(struct tunnel *tunnel, const sigset_t *interrupts)
{
	const struct timespec pause = {.tv_nsec = (long)CHECK_INTERVAL_NS};

	while (!takes_connections(tunnel->path)) {
		if (waitpid(tunnel->ssh, NULL, WNOHANG) == tunnel->ssh) {
			tunnel->ssh = 0;
			return -EHOSTUNREACH;
		}
		if (sigtimedwait(interrupts, NULL, &pause) > 0)
			return -EINTR;
	}
	return 0;
}

int tunnel_open(struct tunnel *tunnel, const char *host, const char *remote_path,
		const sigset_t *interrupts)
{
	pid_t parent = getpid();

	*tunnel = (struct tunnel){0};
	if (!*host || *host == '-')
		return -EINVAL;
	int error = make_folder(tunnel);
	if (error)
		return error;
	_cleanup_free_ char *forward = memory_format("%s:%s", tunnel->path, remote_path);
	tunnel->ssh = fork();
	if (tunnel->ssh == 0)
		become_ssh(forward, host, parent, interrupts);
	error = tunnel->ssh < 0 ? -errno : wait_for_socket(tunnel, interrupts);
	if (error)
		tunnel_close(tunnel);
	return error;
}

void tunnel_close(struct tunnel *tunnel)
{
	if (!tunnel->folder)
		return;
	if (tunnel->ssh > 0) {
		kill(tunnel->ssh, SIGTERM);
		waitpid(tunnel->ssh, NULL, 0);
	}
	unlink(tunnel->path);
	rmdir(tunnel->folder);
	free(tunnel->path);
	free(tunnel->folder);
	*tunnel = (struct tunnel){0};
}
