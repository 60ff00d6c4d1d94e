/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of the control protocol: what each does. Rights on methods and parameters, types and
 * ranges are data in the table here and checked by the machinery (method.h, request.h); handlers
 * find processes, targets and samples, judge rights on those, and answer.
 */
#ifndef FLAME_DAEMON_CORE_REQUESTS_H
#define FLAME_DAEMON_CORE_REQUESTS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/core/question.h"
#include "daemon/core/self_usage.h"

struct method_table;
struct module_table;
struct options;
struct pipeline;
struct reader_client;
struct requests;

/* What the handlers work on; all borrowed for the life of the requests. */
struct requests_sources {
	struct question_sources question;
	struct pipeline *pipeline;
	struct module_table *modules;
	struct reader_client *reader;
	const struct options *options;
	const struct self_usage *usage;
	uint64_t started_ns; /* boot time */
	uint32_t cpu_count;
	int hardware_cycles; /* the event is cycles, not the CPU clock */
	int mapping_lookup;  /* the kernel programs find mappings themselves */
};

struct requests *requests_new(const struct requests_sources *sources);
void requests_free(struct requests *requests);
DEFINE_CLEANUP(requests_free, struct requests)

/* The method table for control_socket_new(). Borrowed (valid as the requests). */
const struct method_table *requests_methods(const struct requests *requests);

#endif
