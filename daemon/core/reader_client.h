/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's end of the socket to the elf reader: a queue of jobs, one at a time. A reader that
 * dies or takes longer than READER_TIMEOUT_MS fails the job at hand (and that job alone); the
 * broker is asked for another and the queue goes on.
 */
#ifndef FLAME_DAEMON_CORE_READER_CLIENT_H
#define FLAME_DAEMON_CORE_READER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "daemon/elf/reader_message.h"

struct broker_client;
struct event_base;
struct reader_client;

/* fd is the memfd of the answer (Owned by the callback), -1 when error is not 0. */
typedef void reader_done(void *context, int error, int fd);

/* base and broker are borrowed for the client's life; the first job starts the first reader. */
struct reader_client *reader_client_new(struct event_base *base, struct broker_client *broker);
void reader_client_free(struct reader_client *client);
DEFINE_CLEANUP(reader_client_free, struct reader_client)

/* Queue a job. Takes the fds, READER_MAX_FDS at most. */
void reader_client_send(struct reader_client *client, enum reader_request_type type, uint32_t flags,
			const int *fds, size_t fd_count, reader_done *done, void *context);

/* How many readers had to be replaced. */
uint32_t reader_client_restarts(const struct reader_client *client);

#endif
