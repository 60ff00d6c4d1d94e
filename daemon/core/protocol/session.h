/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the requests of one client share: who it is, what it may call, where answers are written,
 * and which of its requests run. It is the part of a connection that requests can see; the
 * connection owns it and decides when things are read and written.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_SESSION_H
#define FLAME_DAEMON_CORE_PROTOCOL_SESSION_H

#include <stddef.h>

#include <jansson.h>

#include "daemon/core/processes/access.h"

#define SESSION_MAX_REQUESTS 64 /* that run at once */

struct evbuffer;
struct method_table;
struct request;

/* Initialise by members; requests start empty. */
struct session {
	struct access_peer peer;
	const struct method_table *methods;
	struct evbuffer *output;

	struct request *requests[SESSION_MAX_REQUESTS]; /* oldest first */
	size_t request_count;

	/* Something changed that the connection should look at, but not now. */
	void (*wake)(void *context);
	void *context;
	int is_dropped; /* the client is to be disconnected */
};

/* Append one line of JSON to the output. Takes envelope. */
void session_send(struct session *session, json_t *envelope);

/* Add a request to those that run; there has to be room. */
void session_add_request(struct session *session, struct request *request);

/* Remove a request, which need not exist any more, and wake the connection. */
void session_remove_request(struct session *session, const struct request *request);

/* Disconnect the client soon: it does not keep up. */
void session_drop(struct session *session);

#endif
