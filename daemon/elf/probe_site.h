/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in an x86-64 function to put a probe. The kernel replaces the first byte of an instruction by
 * a breakpoint; a few kinds of instruction it then emulates, all others it has to run out of line,
 * which costs many times as much. So the instructions from the entry on are stepped over, as long as
 * they are known to leave the stack pointer and the arguments alone and do not branch, up to the
 * first one that is emulated. A probe of the return may sit there too, for the return address is
 * still where the entry found it.
 *
 * Nothing is ever put on a nop of 5 bytes: kernels that turn such a probe into a call crash the
 * children that the process forks.
 */
#ifndef FLAME_DAEMON_ELF_PROBE_SITE_H
#define FLAME_DAEMON_ELF_PROBE_SITE_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define PROBE_SITE_BYTES  64 /* in which instructions that are looked at begin */
#define PROBE_SITE_MARGIN 16 /* behind which the last of them ends */

/* Argument registers, as bits. */
enum probe_argument {
	PROBE_RDI = 1,
	PROBE_RSI = 2,
	PROBE_RDX = 4,
};

struct probe_site {
	uint32_t offset; /* of the instruction, from the entry */
	int is_emulated; /* 0: it is run out of line */
};

/*
 * Find the site in size bytes of code that start at the entry of a function whose arguments are
 * those in the set. Errors: -ENOENT there is none: the code cannot be decoded, or only a nop of 5
 * bytes could be probed.
 */
must_check int probe_site_find(const uint8_t *code, size_t size, uint32_t arguments,
			       struct probe_site *site);

#endif
