/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler where there are no kernel programs (sampler.h): reads the perf rings of all CPUs,
 * follows what processes do, keeps the samples of those that are profiled, walks the copies of their
 * stacks, and hands everything on as the same records that the kernel programs send.
 */
#ifndef FLAME_DAEMON_CORE_SAMPLING_PERF_SAMPLER_H
#define FLAME_DAEMON_CORE_SAMPLING_PERF_SAMPLER_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

/* Time that the kernel takes for a sample and its copy: docs/decisions/copied-stacks.md. Units: ns. */
#define PERF_SAMPLE_COST_NS 4000

/* CPUs may come and go: how often that is looked at. */
#define PERF_CPU_CHECK_SEC 5

struct broker_client;
struct broker_hello;
struct cgroup_table;
struct event_base;
struct module_table;
struct perf_sampler;
struct profiled;
struct profiled_set;
struct sampler_receiver;

/* All borrowed for the sampler's life, but hello and receiver, which are copied. */
struct perf_sampler_setup {
	struct event_base *base;
	struct broker_client *broker;
	struct cgroup_table *cgroups;
	const struct module_table *modules;
	const struct broker_hello *hello;
	const struct sampler_receiver *receiver;
	void (*on_readable)(void *context); /* a ring is half full: drain */
	void *context;
};

/* Asks the broker for the rings of every CPU. Owned (perf_sampler_free). */
struct perf_sampler *perf_sampler_new(const struct perf_sampler_setup *setup);
void perf_sampler_free(struct perf_sampler *sampler);
DEFINE_CLEANUP(perf_sampler_free, struct perf_sampler)

/* Handle everything that has happened until now. */
void perf_sampler_drain(struct perf_sampler *sampler);

/* Begin to follow processes, or stop it and hand on what waits. */
void perf_sampler_set_active(struct perf_sampler *sampler, int is_active);

/* Who is profiled, to be changed at any time. Borrowed. */
struct profiled_set *perf_sampler_profiled(struct perf_sampler *sampler);

/* Add or change a profiled process, and have its files read before it is sampled. Errors: -E2BIG. */
must_check int perf_sampler_add_process(struct perf_sampler *sampler, uint32_t pid,
					const struct profiled *profiled);

/* A counter of enum kernel_counter. */
uint64_t perf_sampler_read_counter(const struct perf_sampler *sampler, uint32_t counter);

#endif
