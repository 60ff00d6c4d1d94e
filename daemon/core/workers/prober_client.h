/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's end of the socket to a prober (prober_message.h): hands each reply to its callback, in
 * order. Closing it removes the probes.
 */
#ifndef FLAME_DAEMON_CORE_WORKERS_PROBER_CLIENT_H
#define FLAME_DAEMON_CORE_WORKERS_PROBER_CLIENT_H

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/broker/prober_message.h"

#define PROBER_CLIENT_QUEUE 16 /* requests under way, at most */

struct event_base;
struct prober_client;

/* error is 0 or a negative errno; -EPIPE: the prober is gone. reply is borrowed for the call. */
typedef void prober_done(void *context, int error, const struct prober_reply *reply);

/* Takes fd. on_lost is called once when the prober ends by itself. */
struct prober_client *prober_client_new(struct event_base *base, int fd,
					void (*on_lost)(void *context), void *context);

/* End the prober; callbacks of what is under way are not called. */
void prober_client_free(struct prober_client *client);
DEFINE_CLEANUP(prober_client_free, struct prober_client)

/*
 * Send a copy of request (its serial is filled in), with fd, which stays the caller's, unless that
 * is negative. Errors: -EBUSY there are too many under way, as sendmsg(2).
 */
must_check int prober_client_send(struct prober_client *client,
				  const struct prober_request *request, int fd, prober_done *done,
				  void *context);

/* The callbacks with this context are not called any more: it goes. */
void prober_client_forget(struct prober_client *client, const void *context);

#endif
