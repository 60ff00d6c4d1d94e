/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The handlers behind the method table in requests.c, one file a group. Each gets a request whose
 * method, parameters and level are checked, and a struct sources as its context.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_HANDLERS_H
#define FLAME_DAEMON_CORE_PROTOCOL_HANDLERS_H

#include <jansson.h>

struct request;
struct sources;
struct target;

/* attach_request.c: find what is to be profiled, judge rights on it, answer once it is sampled. */
void handle_attach(struct request *request, void *context);

/* target_request.c: what is attached. */
void handle_detach(struct request *request, void *context);
void handle_stop(struct request *request, void *context);
void handle_start(struct request *request, void *context);
void handle_list(struct request *request, void *context);

/* dump_request.c: a question about the past, answered with a profile. */
void handle_dump(struct request *request, void *context);

/* leak_request.c: what processes hold whose heap is watched. */
void handle_leaks(struct request *request, void *context);

/* Non-zero when the peer may do everything. */
int handler_may_do_all(const struct request *request);

/* TARGET of docs/protocol.md. Owned (json_decref). */
json_t *handler_target_to_json(const struct sources *sources, const struct target *target);

#endif
