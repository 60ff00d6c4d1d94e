/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets the records that a sampler brings, whichever way they come: the pipeline.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_RECEIVER_H
#define FLAME_DAEMON_CORE_SAMPLING_RECEIVER_H

#include <stdint.h>

#include "bpf/record.h"

struct record_heap;
struct record_stack;

/* Who gets the records; a record is borrowed for the call, its sizes have been checked. */
struct sampler_receiver {
	void *context;
	void (*on_sample)(void *context, const struct record_sample *sample);
	void (*on_module)(void *context, const struct record_module *module);
	void (*on_stack)(void *context, const struct record_stack *stack);
	void (*on_process)(void *context, const struct record_process *process);
	void (*on_sum)(void *context, const struct record_sample *stack);
	/* sleep_id: of the sleep that the sample's thread ended */
	void (*on_waker)(void *context, const struct record_sample *waker, uint64_t sleep_id);
	void (*on_look)(void *context, const struct record_sample *look);
	/* sample: of RECORD_HEAP_ALLOCATED, else NULL */
	void (*on_heap)(void *context, const struct record_heap *record,
			const struct record_sample *sample);
	void (*on_malformed)(void *context);
	void (*on_drained)(void *context); /* the ring buffer is empty for now */
	/* What came by itself has been drained and nothing else is going on. NULL: not wanted */
	void (*on_rest)(void *context);
};

#endif
