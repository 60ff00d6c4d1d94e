/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's end of the socket to the broker: sends requests, hands each reply to its callback in
 * order. At most BROKER_CLIENT_IN_FLIGHT requests are under way, the others wait here.
 */
#ifndef FLAME_DAEMON_CORE_WORKERS_BROKER_CLIENT_H
#define FLAME_DAEMON_CORE_WORKERS_BROKER_CLIENT_H

#include <stddef.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/broker/broker_message.h"

#define BROKER_CLIENT_IN_FLIGHT 16

struct event_base;
struct broker_client;

/*
 * What to do with a reply: error is 0 or a negative errno, fds the descriptors that came (Owned by
 * the callback from then on).
 */
typedef void broker_done(void *context, int error, const int *fds, size_t fd_count);

/*
 * Receive the greeting, waiting for it. Owned: fds, BROKER_FD_COUNT of them, or none where there are
 * no kernel programs.
 */
must_check int broker_client_receive_hello(int fd, struct broker_hello *hello, int *fds);

/* Takes fd. on_lost is called once when the broker is gone. */
struct broker_client *broker_client_new(struct event_base *base, int fd,
					void (*on_lost)(void *context), void *context);
void broker_client_free(struct broker_client *client);
DEFINE_CLEANUP(broker_client_free, struct broker_client)

/* Send a copy of request (its serial is filled in). done may be NULL: the reply is dropped. */
void broker_client_send(struct broker_client *client, const struct broker_request *request,
			broker_done *done, void *context);

/* Put path into request. Errors: -ENAMETOOLONG. */
must_check int broker_request_set_path(struct broker_request *request, const char *path,
				       size_t length);

#endif
