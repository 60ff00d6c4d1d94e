/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where samples come from: the user-space end of the kernel programs, which drains the ring buffer,
 * tells the programs who is profiled, reads their counters; or where there are none, perf events
 * that copy stacks (perf_sampler.h). The only file of the core that knows libbpf. Samples are
 * drained on a timer (no wake-up for them); all other records wake the loop at once.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_SAMPLER_H
#define FLAME_DAEMON_CORE_SAMPLING_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/heap_record.h"
#include "bpf/record.h"
#include "bpf/sums.h"
#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/core/sampling/receiver.h"

#define SAMPLER_DRAIN_MS 100

struct broker_hello;
struct event_base;
struct perf_sampler_setup;
struct sampler;

/*
 * Take over the descriptors of the broker's greeting (Takes fds). Errors: as libbpf's ring buffer
 * and mmap(2).
 */
must_check int sampler_open(struct event_base *base, const int *fds, uint32_t cpu_count,
			    const struct sampler_receiver *receiver, struct sampler **sampler);

/* Sample without kernel programs. The setup's last three fields are filled in here. */
struct sampler *sampler_open_perf(const struct perf_sampler_setup *setup,
				  const struct sampler_receiver *receiver);

/* Stop, whichever way it was opened. */
void sampler_close(struct sampler *sampler);
DEFINE_CLEANUP(sampler_close, struct sampler)

/* Handle everything that is in the ring buffer now. */
void sampler_drain(struct sampler *sampler);

/* CPU time that handling records has taken so far. */
uint64_t sampler_drain_cpu_ns(const struct sampler *sampler);

/* Records out of ring buffers that were handled so far; 0 where there are perf events instead. */
uint64_t sampler_records(const struct sampler *sampler);

/* Set the link of the iterator that looks at threads: BROKER_OPEN_LOOK. Takes fd. */
void sampler_set_look(struct sampler *sampler, int fd);

/*
 * Look at all threads now: on_look is called for each that is watched. Reads nothing of the ring
 * buffer. Errors: -EBADF before sampler_set_look(), as bpf(2) and read(2).
 */
must_check int sampler_look(struct sampler *sampler);

/* Call visit for every stack that is known to the kernel programs. */
void sampler_each_sum(const struct sampler *sampler,
		      void (*visit)(void *context, uint64_t id, const struct sum *sum),
		      void *context);

/*
 * Read the sum of one stack. Cheaper than all of them while they are few: the kernel goes through
 * places for SUMS_MAX. Errors: -ENOENT, as bpf(2).
 */
must_check int sampler_read_sum(const struct sampler *sampler, uint64_t id, struct sum *sum);

/* Have the kernel programs forget the id of a stack, so that it is announced again. */
void sampler_forget_sum(struct sampler *sampler, uint64_t id);

/* Run the drain timer, or stop it while nothing is sampled. */
void sampler_set_active(struct sampler *sampler, int is_active);

/* The settings in force, shared with the kernel programs: written with plain stores. */
struct sampler_settings *sampler_settings(struct sampler *sampler);

/* Sum each counter over the CPUs into counters[KERNEL_COUNTER_COUNT]. */
void sampler_read_counters(const struct sampler *sampler, uint64_t *counters);

/* One counter on each CPU: values[cpu], as many as sampler_open() was told. */
void sampler_read_counter_cpus(const struct sampler *sampler, uint32_t counter, uint64_t *values);

/* CPUs that there may be. */
uint32_t sampler_cpu_count(const struct sampler *sampler);

/* The same for one counter. */
uint64_t sampler_read_counter(const struct sampler *sampler, uint32_t counter);

/* The set of processes. Errors: -ENOENT when there is no such entry, -E2BIG when the set is full. */
must_check int sampler_find_process(const struct sampler *sampler, uint32_t pid,
				    struct profiled *profiled);
must_check int sampler_set_process(struct sampler *sampler, uint32_t pid,
				   const struct profiled *profiled);
void sampler_remove_process(struct sampler *sampler, uint32_t pid);

/* Call visit for every process in the set. */
void sampler_each_process(const struct sampler *sampler,
			  void (*visit)(void *context, uint32_t pid,
					const struct profiled *profiled),
			  void *context);

/* Verdicts on process names (RECORD_NAME_BYTES bytes, as records carry them). */
void sampler_set_name(struct sampler *sampler, const char *name, const struct profiled *profiled);
void sampler_clear_names(struct sampler *sampler);

/* The set of cgroups. Errors: -E2BIG when the set is full. */
must_check int sampler_set_cgroup(struct sampler *sampler, uint64_t id,
				  const struct profiled *profiled);
void sampler_remove_cgroup(struct sampler *sampler, uint64_t id);

/*
 * Forget which number a module has: it is announced again, with another one, when a walk comes to it.
 * Only with kernel programs.
 */
void sampler_forget_module(struct sampler *sampler, const struct module_key *key);

/* The number of a module that was forgotten may be given to another one. */
void sampler_free_module(struct sampler *sampler, uint32_t number);

#endif
