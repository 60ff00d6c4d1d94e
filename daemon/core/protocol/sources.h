/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the control protocol's methods work on, in one bundle: filled in once by the
 * core, handed to the handlers and to the status report.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_SOURCES_H
#define FLAME_DAEMON_CORE_PROTOCOL_SOURCES_H

#include <stdint.h>

#include "daemon/broker/broker_message.h"
#include "daemon/core/protocol/question.h"

struct calibration;
struct fetch_client;
struct heap_table;
struct module_table;
struct options;
struct pipeline;
struct worker_client;
struct self_usage;
struct watch;

/* All borrowed; valid until the core ends. */
struct sources {
	struct question_sources question;
	struct pipeline *pipeline;
	struct watch *watch;
	const struct calibration *calibration;
	struct heap_table *heaps;
	struct module_table *modules;
	struct worker_client *reader;
	struct fetch_client *fetch;
	const struct options *options;
	const struct self_usage *usage;
	uint64_t started_ns; /* boot time */
	uint32_t cpu_count;
	int hardware_cycles; /* the event is cycles, not the CPU clock */
	int lacks_kernel;    /* kernel mode is not sampled */
	int mapping_lookup;  /* the kernel programs find mappings themselves */
	enum broker_walk walk;
	enum broker_walk_reason walk_reason;
	int walk_error; /* negative errno, of BROKER_WALK_REFUSED */
};

#endif
