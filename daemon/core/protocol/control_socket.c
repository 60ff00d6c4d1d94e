/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/control_socket.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/log.h"
#include "common/protocol.h"
#include "daemon/core/processes/access.h"
#include "daemon/core/protocol/connection.h"

struct control_socket {
	struct connection_settings connection_settings;
	gid_t all_group;
	int listen_fd;
	struct event *accepting;
	struct event *resume; /* pending: accepting is paused */
	struct connection *connections[CONTROL_SOCKET_MAX_CONNECTIONS];
	size_t count;
};

static void pause_accepting(struct control_socket *control)
{
	struct timeval delay = {.tv_sec = CONTROL_SOCKET_PAUSE_MS / 1000};

	event_del(control->accepting);
	event_add(control->resume, &delay);
}

static void on_resume(evutil_socket_t fd, short events, void *context)
{
	struct control_socket *control = context;

	(void)fd;
	(void)events;
	event_add(control->accepting, NULL);
}

/* The kernel hands out the lowest free number, so a high one means that few are left. */
static int is_short_of_fds(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	       (rlim_t)fd + CONTROL_SOCKET_FD_RESERVE >= limit.rlim_cur;
}

static size_t count_of_uid(const struct control_socket *control, uid_t uid)
{
	size_t count = 0;

	for (size_t i = 0; i < control->count; i++)
		count += connection_peer(control->connections[i])->uid == uid;
	return count;
}

/* NULL when there is room for another connection of uid, else the limit in words. */
static const char *find_full(const struct control_socket *control, uid_t uid)
{
	if (control->count >= CONTROL_SOCKET_MAX_CONNECTIONS)
		return "too many connections";
	if (uid == 0)
		return NULL;
	if (control->count >= CONTROL_SOCKET_MAX_CONNECTIONS - CONTROL_SOCKET_ROOT_RESERVE)
		return "too many connections";
	if (count_of_uid(control, uid) >= CONTROL_SOCKET_MAX_PER_UID)
		return "too many connections of this user";
	return NULL;
}

/* Tell a client that is not accepted why; it may not be reading, and then does not learn it. */
static void turn_away(int fd, const struct access_peer *peer, const char *reason)
{
	char line[256];
	int length =
		snprintf(line, sizeof(line),
			 "{\"id\":null,\"error\":{\"code\":%d,\"name\":\"%s\","
			 "\"message\":\"%s; close some, or try again later\"}}\n",
			 protocol_error_code(ERROR_BUSY), protocol_error_name(ERROR_BUSY), reason);

	log_info("a client is turned away: reason=\"%s\" uid=%u pid=%d", reason,
		 (unsigned int)peer->uid, (int)peer->pid);
	if (send(fd, line, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_debug_errno(-errno, "it could not be told");
}

static void admit(struct control_socket *control, int fd_taken)
{
	_cleanup_close_ int fd = fd_taken;
	struct access_peer peer;
	int error = access_peer_read(fd, control->all_group, &peer);

	if (error) {
		log_warn_errno(error, "a client that cannot be identified is turned away");
		return;
	}
	const char *full = find_full(control, peer.uid);
	if (full) {
		turn_away(fd, &peer, full);
		return;
	}
	control->connections[control->count++] =
		connection_new(&control->connection_settings, steal_fd(&fd), &peer);
}

/* Accept one client. Returns non-zero when there may be another. */
static int accept_client(struct control_socket *control)
{
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			log_warn_errno(-errno, "clients are not accepted for now");
			pause_accepting(control);
		}
		return errno == ECONNABORTED || errno == EINTR;
	}
	if (is_short_of_fds(fd)) {
		log_warn("clients are not accepted for now: too few file descriptors are left");
		close(fd);
		pause_accepting(control);
		return 0;
	}
	admit(control, fd);
	return 1;
}

static void on_client(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	for (int i = 0; i < CONTROL_SOCKET_PER_TURN && accept_client(context); i++)
		;
}

static void on_close(struct connection *connection, void *context)
{
	struct control_socket *control = context;

	for (size_t i = 0; i < control->count; i++) {
		if (control->connections[i] == connection) {
			control->connections[i] = control->connections[--control->count];
			break;
		}
	}
	/* Its fd will be free when the loop gets there. */
	if (evtimer_pending(control->resume, NULL))
		event_active(control->resume, EV_TIMEOUT, 0);
}

struct control_socket *control_socket_new(const struct control_socket_settings *settings,
					  int listen_fd)
{
	struct control_socket *control = memory_new(sizeof(*control));

	signal(SIGPIPE, SIG_IGN);
	control->connection_settings = (struct connection_settings){
		.base = settings->base,
		.methods = settings->methods,
		.idle_ms = settings->idle_ms ? settings->idle_ms : CONNECTION_IDLE_MS,
		.stall_ms = settings->stall_ms ? settings->stall_ms : CONNECTION_STALL_MS,
		.on_close = on_close,
		.context = control,
	};
	control->all_group = settings->all_group;
	control->listen_fd = listen_fd;
	evutil_make_socket_nonblocking(listen_fd);
	control->accepting =
		event_new(settings->base, listen_fd, EV_READ | EV_PERSIST, on_client, control);
	control->resume = evtimer_new(settings->base, on_resume, control);
	event_add(control->accepting, NULL);
	return control;
}

void control_socket_free(struct control_socket *control)
{
	if (!control)
		return;
	while (control->count)
		connection_free(control->connections[control->count - 1]);
	event_free(control->accepting);
	event_free(control->resume);
	close(control->listen_fd);
	free(control);
}

size_t control_socket_connections(const struct control_socket *control)
{
	return control->count;
}
