/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core may ask of the fetcher, over a SOCK_SEQPACKET pair: one request at a time, a build
 * ID and nothing else; one reply that carries the debug file (SCM_RIGHTS), open for reading. What
 * the file holds is not to be trusted: the elf reader compares the build ID. When the fetcher dies
 * or takes longer than FETCH_TIMEOUT_MS the core has the broker start another.
 */
#ifndef FLAME_DAEMON_FETCH_FETCH_MESSAGE_H
#define FLAME_DAEMON_FETCH_FETCH_MESSAGE_H

#include <stdint.h>

#define FETCH_BUILD_ID_MAX 64

/* The fetcher gives up by itself, then an alarm ends it, then the core loses patience. */
#define FETCH_LIMIT_MS   120000
#define FETCH_ALARM_MS   130000
#define FETCH_TIMEOUT_MS 140000

struct fetch_request {
	uint32_t serial;
	uint32_t build_id_length; /* 1 to FETCH_BUILD_ID_MAX */
	uint8_t build_id[FETCH_BUILD_ID_MAX];
};

/* Errors: -ENOENT no server has it; -EBADMSG what came is no ELF file; any other: it failed. */
struct fetch_reply {
	uint32_t serial;
	int32_t error; /* negative errno; 0: the file comes with the reply */
};

#endif
