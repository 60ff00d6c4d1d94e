/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other ends of what watches heaps: the test is broker, elf reader and prober, takes one request
 * at a time and answers it. For the tests of what asks them.
 */
#ifndef FLAME_TESTS_UNIT_HEAP_WORKERS_H
#define FLAME_TESTS_UNIT_HEAP_WORKERS_H

#include "daemon/broker/broker_message.h"
#include "daemon/broker/prober_message.h"
#include "daemon/core/counters.h"
#include "daemon/core/heap/heap_calibration.h"
#include "daemon/core/heap/heap_sources.h"

struct heap_workers {
	struct heap_sources sources; /* that those who are tested work on */
	struct heap_slot slots[HEAP_MAX_SLOTS];
	struct counters counters;
	struct heap_calibration calibration; /* done, for good */
	int broker;                          /* own ends; -1: not started yet */
	int reader;
	int prober;
	int has_operators; /* the allocator: C++ operators whose blocks can be seen */
};

void heap_workers_init(struct heap_workers *workers);
void heap_workers_fini(struct heap_workers *workers);

/* Let the core do what it can do. */
void heap_workers_turn(const struct heap_workers *workers);

/* A file with that in it. Owned. */
int heap_workers_file(const void *data, size_t length);

/* Be the broker: take one request of a type and answer it. Takes fd, -1: none. */
struct broker_request heap_workers_answer_broker(const struct heap_workers *workers, uint32_t type,
						 int error, int fd);

/* The same for what starts the reader or the prober. */
void heap_workers_start_reader(struct heap_workers *workers);
void heap_workers_start_prober(struct heap_workers *workers);

/* The same for the question what the process maps: a program and a C library. */
void heap_workers_answer_maps(const struct heap_workers *workers);

/* Be the reader of one file: with malloc and free at 0x100 and 0x200; or without. */
void heap_workers_answer_reader(const struct heap_workers *workers, int is_allocator);

/* The same, with these functions in the answer: whole structures, or not. */
void heap_workers_answer_reader_with(const struct heap_workers *workers, const void *functions,
				     size_t length);

/* All of that, up to the point where both files were looked at, the second being an allocator. */
void heap_workers_search(struct heap_workers *workers, int is_allocator);

/* Be the prober: take one request of a type and answer it. */
struct prober_request heap_workers_answer_prober(const struct heap_workers *workers, uint32_t type,
						 struct prober_reply reply);

#endif
