/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What can be asked for: each measure is one or more events of the history, in one unit. A measure
 * of time that the scheduler keeps account of is made to agree with that account (reconcile.h).
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_MEASURE_H
#define FLAME_DAEMON_CORE_PROTOCOL_MEASURE_H

#include <stdint.h>

#include "common/profile.h"

struct measure {
	const char *name;
	uint32_t rows;  /* bit for each enum record_event that it consists of */
	uint32_t needs; /* bit for each that has to be attached */
	enum profile_unit unit;
	int is_reconciled;
	const char *source;  /* what delivers it; NULL: the CPU events */
	const char *nothing; /* what a process without any did: "used no CPU time" */
};

/* All names, up to NULL. */
extern const char *const measure_names[];

/* Find a measure by its name; NULL when there is none. */
const struct measure *measure_find(const char *name);

#endif
