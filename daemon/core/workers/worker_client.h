/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's end of the socket to a worker: an unprivileged process that the broker starts when
 * there is something to do (the elf reader, the fetcher of debug files). A queue of jobs, one at a
 * time: a fixed-size request goes out, a reply comes back with one descriptor or an error. A worker
 * that dies, answers nonsense or takes too long fails the job at hand, and that job alone; the next
 * job gets another worker.
 */
#ifndef FLAME_DAEMON_CORE_WORKERS_WORKER_CLIENT_H
#define FLAME_DAEMON_CORE_WORKERS_WORKER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

#define WORKER_REQUEST_BYTES 256 /* a request is no larger */
#define WORKER_MAX_FDS       4   /* that go with a request */

struct broker_client;
struct event_base;
struct worker_client;

/* What every worker's requests and replies begin with. */
struct worker_reply {
	uint32_t serial; /* as in the request */
	int32_t error;   /* negative errno; 0: a descriptor comes with the reply */
};

/* What a kind of worker is like. */
struct worker_kind {
	const char *name;       /* for the log: "elf reader" */
	uint32_t start_request; /* enum broker_request_type */
	size_t serial_offset;   /* of the uint32_t serial in its requests */
	int timeout_ms;         /* for a job */
	int idle_ms;            /* a worker without a job ends after so long; 0: it stays */
	int retry_ms;           /* after a worker could not be started at all */
};

/*
 * fd is the answer (Owned by the callback), -1 when error is not 0. Errors: -ECANCELED the client
 * is freed; any other: as the worker says, -EIO it died, -ETIMEDOUT.
 */
typedef void worker_done(void *context, int error, int fd);

/* base, broker and kind are borrowed for the client's life. */
struct worker_client *worker_client_new(struct event_base *base, struct broker_client *broker,
					const struct worker_kind *kind);

/* Cancels every job. */
void worker_client_free(struct worker_client *client);
DEFINE_CLEANUP(worker_client_free, struct worker_client)

/* Queue a copy of request (its serial is filled in). Takes the fds, WORKER_MAX_FDS at most. */
void worker_client_send(struct worker_client *client, const void *request, size_t size,
			const int *fds, size_t fd_count, worker_done *done, void *context);

/* Jobs that wait for their turn, and workers that had to be replaced so far. */
uint32_t worker_client_waiting(const struct worker_client *client);
uint32_t worker_client_restarts(const struct worker_client *client);

#endif
