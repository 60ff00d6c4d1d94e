/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's end of the socket to the elf reader: the worker (worker_client.h) that makes images of
 * files, demangles names and looks up lines.
 */
#ifndef FLAME_DAEMON_CORE_WORKERS_READER_CLIENT_H
#define FLAME_DAEMON_CORE_WORKERS_READER_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/core/workers/worker_client.h"
#include "daemon/elf/reader_message.h"

/* What the elf reader is like as a worker. */
extern const struct worker_kind reader_client_kind;

/* Queue a job. Takes the fds, READER_MAX_FDS at most. done gets the memfd of the answer. */
void reader_client_send(struct worker_client *reader, enum reader_request_type type, uint32_t flags,
			const int *fds, size_t fd_count, worker_done *done, void *context);

#endif
