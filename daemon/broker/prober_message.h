/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core asks of a prober, the process that puts probes into one other process, over a
 * SOCK_SEQPACKET pair: fixed-size requests, each answered by one reply, in order. The core says
 * where to probe; the prober knows which process from its start, and no other can be meant.
 */
#ifndef FLAME_DAEMON_BROKER_PROBER_MESSAGE_H
#define FLAME_DAEMON_BROKER_PROBER_MESSAGE_H

#include <stdint.h>

#include "bpf/heap_record.h"

#define PROBER_MAX_FILES 4

enum prober_request_type {
	PROBER_ADD_FILE, /* with the file and its sites; before anything else */
	PROBER_FULL,     /* probe entries, returns and frees from now on; value: whether to probe
			    HEAP_LEAVE, too */
	PROBER_WINDOW,   /* probe entries for value ns or until the next request, then as STOP */
	PROBER_STOP,     /* remove every probe and compare the code with what it was */
	PROBER_SWEEP,    /* remove probes that children inherited */
	PROBER_COSTS,    /* begin to measure what probes cost, or tell what was measured */
	PROBER_REQUEST_COUNT
};

enum prober_site_flag {
	PROBER_SITE_RETURNS = 1,  /* its return may be probed */
	PROBER_SITE_DEAR = 2,     /* the kernel runs the instruction out of line */
	PROBER_SITE_FOLLOWED = 4, /* it returns by HEAP_LEAVE */
};

struct prober_site {
	uint64_t offset;   /* in the file */
	uint64_t address;  /* in the process; to look at the code */
	uint32_t function; /* enum heap_function */
	uint32_t flags;    /* enum prober_site_flag */
};

struct prober_request {
	uint32_t type; /* enum prober_request_type */
	uint32_t serial;
	uint64_t value;
	uint32_t site_count; /* PROBER_ADD_FILE */
	uint32_t reserved;
	struct prober_site sites[HEAP_MAX_SITES];
};

/* What hits cost on this machine; see probe_costs.h. Units: ns. */
struct prober_costs {
	uint32_t is_known; /* 0: not, or not yet */
	uint32_t reserved;
	double entry_ns;  /* at an entry, in a window */
	double pair_ns;   /* at an entry and the return, without the walk of the stack */
	double free_ns;   /* at an entry of what frees */
	double dear_ns;   /* more of it where the instruction is run out of line */
	double native_ns; /* a small block allocated and freed, without probes */
};

struct prober_reply {
	uint32_t serial;
	int32_t error;          /* negative errno, 0: done */
	uint64_t window_ns;     /* PROBER_WINDOW: how long it was open */
	uint64_t window_cpu_ns; /* CPU time of the process in it */
	uint32_t altered;  /* PROBER_STOP, PROBER_WINDOW: sites whose code is not what it was */
	uint32_t compared; /* sites whose code could be read before and after */
	struct prober_costs costs; /* PROBER_COSTS */
};

#endif
