/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One client of the control socket: lines in, answers out, and the limits that keep a bad client
 * from hurting anybody but itself. It stands between a socket and the requests (request.h), which
 * it owns.
 *
 * What is bounded: a line, the requests that run at once, the lines served before others get their
 * turn, and the output: above CONNECTION_WRITE_HIGH_BYTES no further request is read, below
 * CONNECTION_WRITE_LOW_BYTES streams are continued. A client that takes nothing for the stall time,
 * or that neither asks nor waits for anything during the idle time, is disconnected.
 *
 * SIGPIPE must be ignored.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_CONNECTION_H
#define FLAME_DAEMON_CORE_PROTOCOL_CONNECTION_H

#include <stddef.h>

#include "common/cleanup.h"
#include "daemon/core/processes/access.h"

#define CONNECTION_WRITE_LOW_BYTES  (256 * 1024)
#define CONNECTION_WRITE_HIGH_BYTES (1024 * 1024)
#define CONNECTION_LINES_PER_TURN   16
#define CONNECTION_IDLE_MS          300000
#define CONNECTION_STALL_MS         30000

struct connection;
struct event_base;
struct method_table;

struct connection_settings {
	struct event_base *base;
	const struct method_table *methods;
	unsigned int idle_ms;  /* CONNECTION_IDLE_MS, less in tests */
	unsigned int stall_ms; /* CONNECTION_STALL_MS */

	/* The connection is about to be freed; may be NULL. */
	void (*on_close)(struct connection *connection, void *context);
	void *context;
};

/*
 * Serve a client on a connected, non-blocking socket, greeting first. Takes fd; settings are
 * borrowed (valid as long as the connection). The connection frees itself when the client is gone,
 * and then tells on_close.
 */
struct connection *connection_new(const struct connection_settings *settings, int fd,
				  const struct access_peer *peer);

/* Drop the client: requests are abandoned, unsent output is lost. on_close is told. */
void connection_free(struct connection *connection);
DEFINE_CLEANUP(connection_free, struct connection)

/* Who the client is. Borrowed (valid as the connection). */
const struct access_peer *connection_peer(const struct connection *connection);

#endif
