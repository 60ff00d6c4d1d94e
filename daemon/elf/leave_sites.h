/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an x86-64 function returns: all of its `ret` instructions, also those of the functions that it
 * ends by jumping to. At each of them the stack pointer is what it was at the entry and rax holds the
 * result, so that a probe of the instruction learns what a probe of the return would, without
 * touching the return address: an exception may pass.
 *
 * Code is followed from the entry on, never swept over, for what no jump leads to may be data, and
 * a breakpoint in data changes it. Whatever cannot be followed for sure ends the search. Where an
 * exception goes on that is caught inside is not looked at: operators that may throw catch none.
 */
#ifndef FLAME_DAEMON_ELF_LEAVE_SITES_H
#define FLAME_DAEMON_ELF_LEAVE_SITES_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define LEAVE_SITES_MAX       64         /* instructions */
#define LEAVE_SITES_FUNCTIONS 48         /* that are jumped to, the first one included */
#define LEAVE_SITES_BYTES     (1U << 16) /* of code that are looked at */

/* A function, or a part of one that the compiler has put elsewhere. */
struct code_extent {
	uint64_t vaddr;
	uint64_t size; /* bytes */
};

/* Where code comes from. Functions return 0, or a negative errno when there is no such thing. */
struct code_source {
	void *context;
	/* Find the function around vaddr. */
	int (*find)(void *context, uint64_t vaddr, struct code_extent *extent);
	/* Copy all bytes of one. */
	int (*read)(void *context, const struct code_extent *extent, uint8_t *bytes);
	/* Find the function that the pointer at slot will point to, if it is one of this file. */
	int (*resolve)(void *context, uint64_t slot, uint64_t *vaddr);
	/* Functions that end a path when they are called, or jumped to. Borrowed. */
	const uint64_t *known;
	size_t known_count;
};

/* Addresses, ascending. */
struct leave_sites {
	uint64_t vaddrs[LEAVE_SITES_MAX];
	size_t count;
};

/*
 * Add the sites of the function at entry, each once; sites is as it was when that fails. None is added
 * when all paths end in functions that are known to source, or in traps. Errors: -EOPNOTSUPP it jumps
 * to where is not known before it runs, -EBADMSG what it leads to is no code, -E2BIG a limit was
 * met; those of the source.
 */
must_check int leave_sites_add(struct leave_sites *sites, const struct code_source *source,
			       uint64_t entry);

#endif
