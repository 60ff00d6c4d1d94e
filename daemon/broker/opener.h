/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens files in a child that may get stuck: a path that a target chose can lead to a file system
 * that some process answers for (FUSE) or a server far away (NFS), and the broker must not wait for
 * either. The child is killed after OPENER_LIMIT_MS.
 */
#ifndef FLAME_DAEMON_BROKER_OPENER_H
#define FLAME_DAEMON_BROKER_OPENER_H

#include "common/memory.h"

#define OPENER_LIMIT_MS 300

struct broker_request;

/* Open what request names and store the descriptor. Errors: negative errno. */
typedef int open_function(const struct broker_request *request, int *fd);

/*
 * Call open(request) in a child and take over the descriptor: Owned. The child is left for SIGCHLD.
 * Errors: those of open, -ETIMEDOUT, as fork(2).
 */
must_check int opener_run(open_function *open, const struct broker_request *request, int *fd);

#endif
