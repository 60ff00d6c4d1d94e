/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/listener.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "daemon/options.h"

/* Make room at path: only a socket that nobody listens on is removed. */
static int remove_stale(const char *path, const struct sockaddr_un *address)
{
	struct stat status;

	if (lstat(path, &status))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;

	_cleanup_close_ int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (probe < 0)
		return -errno;
	if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	    errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(path) ? -errno : 0;
}

/* The folder of the default socket belongs to flamed, so that it can remove the socket later. */
static int make_default_folder(uid_t user, gid_t group)
{
	static const char folder[] = "/run/flamed";

	if (mkdir(folder, 0755) && errno != EEXIST)
		return -errno;
	return lchown(folder, user, group) ? -errno : 0;
}

static int listener_bind(struct listener *listener, const char *path, uid_t user, gid_t group)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int error = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	if (strcmp(path, DEFAULT_SOCKET_PATH) == 0)
		error = make_default_folder(user, group);
	if (!error)
		error = remove_stale(path, &address);
	if (error)
		return error;

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;

	/* Nobody can connect before listen(), so the mode may follow the bind. */
	mode_t mask = umask(0177);
	int result = bind(fd, (const struct sockaddr *)&address, sizeof(address));

	error = -errno;
	umask(mask);
	if (result)
		return error;
	if (lchown(path, user, group) || chmod(path, 0666) || listen(fd, LISTENER_BACKLOG))
		return -errno;
	listener->fd = steal_fd(&fd);
	listener->bound_path = memory_copy_text(path, strlen(path));
	return 0;
}

int listener_open(struct listener *listener, const char *path, uid_t user, gid_t group)
{
	int count = sd_listen_fds(1);

	if (count < 0)
		return count;
	if (count > 1)
		return -E2BIG;
	if (count == 1) {
		int is_socket = sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0);

		if (is_socket <= 0)
			return is_socket ? is_socket : -ENOTSOCK;
		*listener = (struct listener){.fd = SD_LISTEN_FDS_START};
		return 0;
	}
	return listener_bind(listener, path, user, group);
}

void listener_close(struct listener *listener)
{
	close(listener->fd);
	if (listener->bound_path && unlink(listener->bound_path) && errno != ENOENT)
		log_debug_errno(-errno, "the socket stays, its folder is not ours path=%s",
				listener->bound_path);
	free(listener->bound_path);
}
