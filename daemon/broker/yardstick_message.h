/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core and yardstick tell each other over their socket (SOCK_SEQPACKET): a request, and its
 * reply, one after another.
 */
#ifndef FLAME_DAEMON_BROKER_YARDSTICK_MESSAGE_H
#define FLAME_DAEMON_BROKER_YARDSTICK_MESSAGE_H

#include <stdint.h>

#define YARDSTICK_MAX_MS 10000

/* How long to measure: until one of the two is over, and a little longer. */
struct yardstick_request {
	uint32_t cpu_ms;
	uint32_t wall_ms;
};

struct yardstick_reply {
	int32_t error; /* negative errno; 0: measured */
	uint32_t reserved;
	double switch_ns; /* CPU time of one switch, the least of many measurements */
};

#endif
