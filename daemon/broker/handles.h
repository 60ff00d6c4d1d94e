/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that the broker opens for the core, read-only and close-on-exec. A process is reached
 * through its folder in /proc, which is checked once: what is opened through it later is that
 * process's or nothing (-ESRCH), however fast pids are used again.
 */
#ifndef FLAME_DAEMON_BROKER_HANDLES_H
#define FLAME_DAEMON_BROKER_HANDLES_H

#include "common/memory.h"

struct broker_request;

/*
 * Each writes a descriptor to *fd: Owned. Errors: -ESRCH when the process is gone or another one,
 * -ESTALE when the file is not the one that was asked for, -EMEDIUMTYPE for anything but a regular
 * file on a file system that cannot keep the broker waiting; as open(2).
 */
must_check int handles_open_module(const struct broker_request *request, int *fd);
must_check int handles_open_mapped(const struct broker_request *request, int *fd);
must_check int handles_open_in_root(const struct broker_request *request, int *fd);
must_check int handles_open_proc(const struct broker_request *request, int *fd);
must_check int handles_open_kallsyms(const struct broker_request *request, int *fd);

/* Whether the process is the one that is meant, 0 or -ESRCH. */
must_check int handles_check_process(const struct broker_request *request);

#endif
