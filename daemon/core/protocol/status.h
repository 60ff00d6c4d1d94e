/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of the daemon as JSON: the result of `status`, in the shape of docs/protocol.md.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_STATUS_H
#define FLAME_DAEMON_CORE_PROTOCOL_STATUS_H

#include <jansson.h>

struct sources;

/* Empty the ring buffer, count everything, and tell it. Owned (json_decref). */
json_t *status_to_json(const struct sources *sources);

#endif
