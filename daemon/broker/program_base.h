/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was loaded first, for objects with kernel programs that are loaded later and work on the same
 * maps.
 */
#ifndef FLAME_DAEMON_BROKER_PROGRAM_BASE_H
#define FLAME_DAEMON_BROKER_PROGRAM_BASE_H

#include <stdint.h>

#include "common/memory.h"

struct bpf_object;

/* Borrowed. */
struct program_base {
	const struct bpf_object *object;
	uint32_t mapping_in_tables; /* the variables of that name, which every object has */
	uint32_t pid_is_translated;
};

/*
 * Before the object is loaded: let it use every map of the base that it knows by name, and give its
 * variables of these names what they are in the base. Errors: as bpf(2).
 */
must_check int program_base_share(const struct program_base *base, struct bpf_object *object,
				  uint32_t *mapping_in_tables, uint32_t *pid_is_translated);

#endif
