/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of the control protocol: what each does. Rights on methods and parameters, types and
 * ranges are data in the table here and checked by the machinery (method.h, request.h); handlers
 * find processes, targets and samples, judge rights on those, and answer.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_REQUESTS_H
#define FLAME_DAEMON_CORE_PROTOCOL_REQUESTS_H

#include "common/cleanup.h"

struct method_table;
struct requests;
struct sources;

/* sources is copied; what it points to is borrowed for the life of the requests. */
struct requests *requests_new(const struct sources *sources);
void requests_free(struct requests *requests);
DEFINE_CLEANUP(requests_free, struct requests)

/* The method table for control_socket_new(). Borrowed (valid as the requests). */
const struct method_table *requests_methods(const struct requests *requests);

#endif
