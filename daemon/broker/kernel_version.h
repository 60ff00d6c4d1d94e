/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which kernel this is, for the one question that cannot be probed: whether reading user memory
 * from an interrupt can freeze it. copy_from_user_nofault() came with that fault in 5.19 and was
 * mended in 6.4, 6.3.10 and 6.1.36.
 */
#ifndef FLAME_DAEMON_BROKER_KERNEL_VERSION_H
#define FLAME_DAEMON_BROKER_KERNEL_VERSION_H

#include "common/memory.h"

struct kernel_version {
	unsigned int major, minor, patch;
};

/*
 * Read the version from the two texts of uname(2). Debian's release names no patch ("6.1.0-18"),
 * its version does ("#1 SMP Debian 6.1.76-1"). Errors: -EINVAL.
 */
must_check int kernel_version_parse(const char *release, const char *version,
				    struct kernel_version *result);

/* Non-zero when sampling could freeze a host with this kernel. */
int kernel_version_is_unsafe(const struct kernel_version *version);

#endif
