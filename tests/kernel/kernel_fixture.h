/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real broker with the real kernel programs, in a child process, for tests that play the core:
 * they get its descriptors, set rates and look at the records themselves. Needs root.
 */
#ifndef FLAME_TESTS_KERNEL_KERNEL_FIXTURE_H
#define FLAME_TESTS_KERNEL_KERNEL_FIXTURE_H

#include <stddef.h>
#include <sys/types.h>

#include "bpf/record.h"
#include "daemon/broker/broker_message.h"
#include "daemon/options.h"

#define PATIENCE_S  60 /* that something may take on a busy machine before it counts as never */
#define MAX_RECORDS 200000

struct ring_buffer;

struct kernel_fixture {
	pid_t broker;
	int socket;
	int fds[BROKER_FD_COUNT];
	struct broker_hello hello;
	struct sampler_settings *settings;
	struct ring_buffer *ring;
	/* Copies of all records so far, in order. */
	struct record_header **records;
	size_t record_count;
};

/* Start the broker and receive its greeting. Returns NULL when it ended instead (it says why). */
struct kernel_fixture *kernel_fixture_start(const struct options *options);

/* Send SIGTERM to the broker and return its exit status as of waitpid(2). */
int kernel_fixture_stop(struct kernel_fixture *fixture);

/* Send request and wait for the reply: its error, and the descriptor that came in *fd (or -1). */
int kernel_fixture_ask(struct kernel_fixture *fixture, struct broker_request *request, int *fd);

/* Events per second on each CPU, and their weight. */
void kernel_fixture_set_rate(struct kernel_fixture *fixture, uint64_t rate_hz);

/* Have pid profiled with these flags, every event kept. */
void kernel_fixture_profile(struct kernel_fixture *fixture, pid_t pid, uint32_t flags);

/* Read what is in the ring buffer. */
void kernel_fixture_drain(struct kernel_fixture *fixture);

/* Sum of a counter over the CPUs. */
uint64_t kernel_fixture_counter(struct kernel_fixture *fixture, uint32_t counter);

/* CPU time that a process has used. Units: ns. */
uint64_t kernel_fixture_cpu_ns(pid_t pid);

/* Wait until pid has used that much CPU time more: what is sampled had to be sampled by then. */
#define wait_for_work(fixture, pid, ns)                                    \
	do {                                                               \
		uint64_t until_ = kernel_fixture_cpu_ns(pid) + (ns);       \
		wait_until(fixture, kernel_fixture_cpu_ns(pid) >= until_); \
	} while (0)

/* The samples so far of a process. */
size_t kernel_fixture_count(const struct kernel_fixture *fixture, enum record_type type, pid_t pid);

/* The announcement of a module, or NULL. */
const struct record_module *kernel_fixture_module(const struct kernel_fixture *fixture,
						  uint32_t module);

/* The frame that address in this process's own image makes, 0 when its module is not known. */
uint64_t kernel_fixture_frame(const struct kernel_fixture *fixture, const void *address);

/* Take the step again and again until condition holds; fails the test after PATIENCE_S. */
#define poll_until(step, condition)                                             \
	do {                                                                    \
		time_t end_ = time(NULL) + PATIENCE_S;                          \
		while (step, !(condition)) {                                    \
			if (time(NULL) > end_)                                  \
				fail_msg("waited in vain for: %s", #condition); \
			usleep(5000);                                           \
		}                                                               \
	} while (0)

/* Drain until condition holds. */
#define wait_until(fixture, condition) poll_until(kernel_fixture_drain(fixture), condition)

#endif
