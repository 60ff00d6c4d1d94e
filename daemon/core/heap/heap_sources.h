/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts that watch heaps work on, in one bundle: filled in once by the core. */
#ifndef FLAME_DAEMON_CORE_HEAP_HEAP_SOURCES_H
#define FLAME_DAEMON_CORE_HEAP_HEAP_SOURCES_H

#include "daemon/core/heap/heap_maps.h"
#include "daemon/core/history/bucket_ring.h"

struct broker_client;
struct counters;
struct event_base;
struct heap_calibration;
struct worker_client;

/* All borrowed; valid until the core ends. */
struct heap_sources {
	struct event_base *base;
	struct broker_client *broker;
	struct worker_client *reader;
	struct bucket_ring *history;
	struct stack_table *stacks;
	struct process_table *processes;
	struct counters *counters;
	struct heap_calibration *calibration; /* filled in by the heap table */
	struct heap_maps maps;
};

#endif
