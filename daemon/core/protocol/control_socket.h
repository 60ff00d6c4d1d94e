/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The UNIX socket on which flamed answers. It accepts clients, finds out who they are and makes a
 * connection (connection.h) of each, within limits: so many in all, so many of one user, with some
 * kept for root so that nobody can lock it out. File descriptors are kept in reserve; when they run
 * short, nobody is accepted until a connection closes.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_CONTROL_SOCKET_H
#define FLAME_DAEMON_CORE_PROTOCOL_CONTROL_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define CONTROL_SOCKET_MAX_CONNECTIONS 64
#define CONTROL_SOCKET_ROOT_RESERVE    8  /* of them for root alone */
#define CONTROL_SOCKET_MAX_PER_UID     16 /* root may have more */
#define CONTROL_SOCKET_FD_RESERVE      32
#define CONTROL_SOCKET_PAUSE_MS        1000
#define CONTROL_SOCKET_PER_TURN        16 /* accepted before others are served */

struct control_socket;
struct event_base;
struct method_table;

struct control_socket_settings {
	struct event_base *base;
	const struct method_table *methods;
	gid_t all_group;       /* members may do everything; ACCESS_NO_GROUP: root alone */
	unsigned int idle_ms;  /* 0: CONNECTION_IDLE_MS */
	unsigned int stall_ms; /* 0: CONNECTION_STALL_MS */
};

/* Accept clients on a listening socket (listener.h) from now on. Takes listen_fd. Ignores SIGPIPE. */
struct control_socket *control_socket_new(const struct control_socket_settings *settings,
					  int listen_fd);

/* Drop all clients and close the socket; its path is left alone. */
void control_socket_free(struct control_socket *control);
DEFINE_CLEANUP(control_socket_free, struct control_socket)

/* Clients that are connected now. */
size_t control_socket_connections(const struct control_socket *control);

#endif
