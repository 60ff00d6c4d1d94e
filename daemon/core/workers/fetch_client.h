/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the fetcher, the worker (worker_client.h) that gets debug files from debuginfod servers, and
 * counts what comes of it. It is started for the first job and ends when there has been none for
 * FETCH_CLIENT_IDLE_MS. Without servers nothing is queued at all.
 */
#ifndef FLAME_DAEMON_CORE_WORKERS_FETCH_CLIENT_H
#define FLAME_DAEMON_CORE_WORKERS_FETCH_CLIENT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define FETCH_CLIENT_IDLE_MS  10000
#define FETCH_CLIENT_MAX_JOBS 4096 /* waiting; more are refused */

struct broker_client;
struct counters;
struct event_base;
struct fetch_client;

/*
 * fd is the file (Owned by the callback), -1 when error is not 0. Errors: -ECANCELED the client is
 * freed, any other: there is no file.
 */
typedef void fetch_done(void *context, int error, int fd);

/*
 * base, broker and counters are borrowed for the client's life, as are urls: the servers, separated
 * by blanks; NULL: there are none.
 */
struct fetch_client *fetch_client_new(struct event_base *base, struct broker_client *broker,
				      struct counters *counters, const char *urls);
void fetch_client_free(struct fetch_client *client);
DEFINE_CLEANUP(fetch_client_free, struct fetch_client)

/*
 * Queue a job for that build ID. Errors: -EOPNOTSUPP there is no server, -EINVAL that is no build
 * ID, -EBUSY too many are waiting; done is not called then.
 */
must_check int fetch_client_send(struct fetch_client *client, const uint8_t *build_id,
				 size_t length, fetch_done *done, void *context);

/* A file that came turned out to belong to the module, or not to. */
void fetch_client_judge(struct fetch_client *client, int belongs);

/* The servers as JSON, without the names and passwords that their addresses may hold. Owned. */
json_t *fetch_client_servers(const struct fetch_client *client);

#endif
