/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of a file that allocate and free memory, as the elf reader finds them by name in its
 * symbol tables: the answer to READER_ALLOCATOR is a memfd of these structures. A file counts as an
 * allocator when it defines malloc and free; its C++ operators are looked at then alone, for those of
 * other files call malloc. Behind the functions come the instructions by which those that throw
 * return, HEAP_LEAVE: HEAP_MAX_FUNCTIONS and HEAP_MAX_LEAVES at most.
 */
#ifndef FLAME_DAEMON_ELF_ALLOCATOR_H
#define FLAME_DAEMON_ELF_ALLOCATOR_H

#include <stdint.h>

#include "bpf/heap_record.h"
#include "common/memory.h"

#define ALLOCATOR_NAME_BYTES 40

enum allocator_flag {
	ALLOCATOR_THROWS = 1,   /* its return must not be probed */
	ALLOCATOR_EMULATED = 2, /* a probe at the site is cheap */
	ALLOCATOR_FOLLOWED = 4, /* it returns by the file's HEAP_LEAVE alone */
};

struct allocator_function {
	uint64_t entry;                  /* offset in the file */
	uint64_t size;                   /* bytes of code; 0: not known */
	uint64_t site;                   /* offset in the file of the instruction to probe */
	uint32_t function;               /* enum heap_function */
	uint32_t flags;                  /* enum allocator_flag */
	char name[ALLOCATOR_NAME_BYTES]; /* terminated */
};

#endif
