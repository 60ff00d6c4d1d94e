/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What confines the fetcher. Unlike the elf reader it needs the network, name resolution,
 * certificates and threads, so what it must not do is taken away instead: writing outside the cache
 * and starting programs (Landlock where the kernel has it), other processes, kernel interfaces and
 * odd kinds of sockets (seccomp), new privileges, more memory, descriptors and bytes of a file than
 * it needs.
 */
#ifndef FLAME_DAEMON_FETCH_FETCH_SANDBOX_H
#define FLAME_DAEMON_FETCH_FETCH_SANDBOX_H

#include <stdint.h>

#include "common/memory.h"

#define FETCH_SANDBOX_MAX_MEMORY      (UINT64_C(2) << 30) /* bytes of addresses */
#define FETCH_SANDBOX_MAX_DESCRIPTORS 256 /* see common/fd_message.h for why so many */

/*
 * Confine this process; everything but the standard descriptors and keep_fd is closed. Errors: any
 * means that the process is not confined and must end.
 */
must_check int fetch_sandbox_enter(int keep_fd, const char *folder);

#endif
