/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What confines the elf reader, once and for good: no file system (Landlock where the kernel has
 * it, and no system call that takes a path), no network, no new process, no executable memory, no
 * new privileges, bounded memory and descriptors, and a clock that kills it when one request takes
 * too long. Anything else is answered by the kernel with the end of the process.
 */
#ifndef FLAME_DAEMON_ELF_SANDBOX_H
#define FLAME_DAEMON_ELF_SANDBOX_H

#include <stdint.h>

#include "common/memory.h"

#define SANDBOX_MAX_ADDRESSES   (UINT64_C(8) << 30) /* bytes; files that libdw maps count */
#define SANDBOX_MAX_MEMORY      (UINT64_C(1) << 30) /* bytes of its own */
#define SANDBOX_MAX_DESCRIPTORS 256                 /* see common/fd_message.h for why so many */

/*
 * Confine this process; everything but the standard descriptors and keep_fd is closed. Errors: any
 * means that the process is not confined and must end.
 */
must_check int sandbox_enter(int keep_fd);

/* Kill this process when it is still busy after milliseconds, of time or of CPU; 0: do not. */
void sandbox_set_deadline(uint32_t milliseconds);

#endif
