/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/sampler.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/mman.h>

#include "bpf/stack_copy.h"
#include "common/clock.h"
#include "common/log.h"
#include "daemon/broker/broker_message.h"
#include "daemon/core/sampling/perf_sampler.h"
#include "daemon/core/sampling/profiled_set.h"

#define LOOKS_AT_ONCE 128
#define SUMS_AT_ONCE  4096 /* more than any bucket of the kernel's hash holds */

struct sampler {
	struct sampler_receiver receiver;
	int fds[BROKER_FD_COUNT];
	int look_fd; /* -1: not known so far */
	uint32_t cpu_count;
	struct perf_sampler *perf; /* in the place of all that follows up to the timer; or NULL */
	struct ring_buffer *ring;
	struct sampler_settings *settings;
	struct event *readable;
	struct event *timer;
	uint64_t drain_cpu_ns;
	uint64_t records;
	int is_active;
	int is_draining;
};

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list arguments)
{
	log_write_list(level == LIBBPF_WARN ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, 0, format,
		       arguments);
	return 0;
}

static int is_whole_sample(const struct record_sample *sample, size_t size)
{
	return size >= sizeof(*sample) && sample->user_count <= RECORD_USER_FRAMES &&
	       sample->kernel_count <= RECORD_KERNEL_FRAMES && sample->event < EVENT_COUNT &&
	       size >= sizeof(*sample) + ((size_t)sample->user_count + sample->kernel_count) *
						 sizeof(sample->frames[0]);
}

static int is_whole_waker(const struct record_sample *waker, size_t size)
{
	return is_whole_sample(waker, size) &&
	       size >= sizeof(*waker) +
			       ((size_t)waker->user_count + waker->kernel_count + WAKER_WORDS) *
				       sizeof(waker->frames[0]);
}

/* Stands behind the frames. */
static uint64_t waker_sleep_id(const struct record_sample *waker)
{
	return waker->frames[waker->user_count + waker->kernel_count];
}

static int is_whole_stack(const struct record_stack *stack, size_t size)
{
	return size >= sizeof(*stack) && stack->mapping_count <= STACK_COPY_MAPPINGS &&
	       stack->size <= STACK_COPY_BYTES && size >= sizeof(*stack) + stack->size;
}

/* One record of the heap. */
static int on_heap_record(void *context, void *data, size_t size)
{
	struct sampler *sampler = context;
	const struct sampler_receiver *receiver = &sampler->receiver;
	const struct record_heap *record = data;
	const struct record_sample *sample = NULL;

	sampler->records++;
	if (size < sizeof(*record) || record->slot >= HEAP_MAX_SLOTS) {
		receiver->on_malformed(receiver->context);
		return 0;
	}
	if (record->header.type == RECORD_HEAP_ALLOCATED) {
		sample = (const void *)(record + 1);
		if (!is_whole_sample(sample, size - sizeof(*record))) {
			receiver->on_malformed(receiver->context);
			return 0;
		}
	}
	receiver->on_heap(receiver->context, record, sample);
	return 0;
}

/* One record; the sizes are checked here so that nobody behind has to. */
static int on_record(void *context, void *data, size_t size)
{
	const struct sampler *sampler = context;
	const struct sampler_receiver *receiver = &sampler->receiver;
	const struct record_header *header = data;
	const struct record_module *module = data;

	if (size < sizeof(*header)) {
		receiver->on_malformed(receiver->context);
		return 0;
	}
	switch (header->type) {
	case RECORD_SAMPLE:
		if (is_whole_sample(data, size)) {
			receiver->on_sample(receiver->context, data);
			return 0;
		}
		break;
	case RECORD_MODULE:
		if (size >= sizeof(*module) && module->path_length <= RECORD_PATH_BYTES) {
			receiver->on_module(receiver->context, module);
			return 0;
		}
		break;
	case RECORD_STACK:
		if (is_whole_stack(data, size)) {
			receiver->on_stack(receiver->context, data);
			return 0;
		}
		break;
	case RECORD_FORK:
	case RECORD_CHILD:
	case RECORD_EXEC:
	case RECORD_EXIT:
		if (size >= sizeof(struct record_process)) {
			receiver->on_process(receiver->context, data);
			return 0;
		}
		break;
	case RECORD_SUM:
		if (is_whole_sample(data, size)) {
			receiver->on_sum(receiver->context, data);
			return 0;
		}
		break;
	case RECORD_WAKER:
		if (is_whole_waker(data, size)) {
			receiver->on_waker(receiver->context, data, waker_sleep_id(data));
			return 0;
		}
		break;
	case RECORD_LOOK:
		if (is_whole_sample(data, size) && header->size >= LOOK_BYTES) {
			receiver->on_look(receiver->context, data);
			return 0;
		}
		break;
	default:
		break;
	}
	receiver->on_malformed(receiver->context);
	return 0;
}

static int on_ring_record(void *context, void *data, size_t size)
{
	struct sampler *sampler = context;

	sampler->records++;
	return on_record(context, data, size);
}

static void drain_and_rest(struct sampler *sampler)
{
	sampler_drain(sampler);
	if (sampler->receiver.on_rest)
		sampler->receiver.on_rest(sampler->receiver.context);
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	drain_and_rest(context);
}

int sampler_open(struct event_base *base, const int *fds, uint32_t cpu_count,
		 const struct sampler_receiver *receiver, struct sampler **result)
{
	_cleanup_(sampler_closep) struct sampler *sampler = memory_new(sizeof(*sampler));

	libbpf_set_print(log_libbpf);
	memcpy(sampler->fds, fds, sizeof(sampler->fds));
	sampler->look_fd = -1;
	sampler->receiver = *receiver;
	sampler->cpu_count = cpu_count;
	void *settings = mmap(NULL, sizeof(*sampler->settings), PROT_READ | PROT_WRITE, MAP_SHARED,
			      fds[BROKER_FD_SETTINGS], 0);
	if (settings == MAP_FAILED)
		return -errno;
	sampler->settings = settings;
	sampler->ring = ring_buffer__new(fds[BROKER_FD_RECORDS], on_ring_record, sampler, NULL);
	if (!sampler->ring)
		return -errno;
	if (ring_buffer__add(sampler->ring, fds[BROKER_FD_HEAP_RECORDS], on_heap_record, sampler))
		return -errno;
	sampler->readable = event_new(base, ring_buffer__epoll_fd(sampler->ring),
				      EV_READ | EV_PERSIST, on_ready, sampler);
	sampler->timer = event_new(base, -1, EV_PERSIST, on_ready, sampler);
	event_add(sampler->readable, NULL);
	*result = steal_ptr(&sampler);
	return 0;
}

static void on_perf_readable(void *context)
{
	drain_and_rest(context);
}

struct sampler *sampler_open_perf(const struct perf_sampler_setup *setup,
				  const struct sampler_receiver *receiver)
{
	struct sampler *sampler = memory_new(sizeof(*sampler));
	struct perf_sampler_setup own = *setup;

	for (size_t i = 0; i < ARRAY_SIZE(sampler->fds); i++)
		sampler->fds[i] = -1;
	sampler->look_fd = -1;
	sampler->receiver = *receiver;
	own.receiver = receiver;
	own.on_readable = on_perf_readable;
	own.context = sampler;
	sampler->perf = perf_sampler_new(&own);
	sampler->timer = event_new(setup->base, -1, EV_PERSIST, on_ready, sampler);
	return sampler;
}

void sampler_close(struct sampler *sampler)
{
	if (!sampler)
		return;
	perf_sampler_free(sampler->perf);
	if (sampler->readable)
		event_free(sampler->readable);
	if (sampler->timer)
		event_free(sampler->timer);
	ring_buffer__free(sampler->ring);
	if (sampler->settings)
		munmap(sampler->settings, sizeof(*sampler->settings));
	for (size_t i = 0; i < ARRAY_SIZE(sampler->fds); i++)
		if (sampler->fds[i] >= 0)
			close(sampler->fds[i]);
	if (sampler->look_fd >= 0)
		close(sampler->look_fd);
	free(sampler);
}

void sampler_drain(struct sampler *sampler)
{
	uint64_t start_ns = clock_read_ns(CLOCK_PROCESS_CPUTIME_ID);

	/* A ring buffer that is read while it is read gives its records twice. */
	if (sampler->is_draining)
		return;
	sampler->is_draining = 1;
	if (sampler->perf)
		perf_sampler_drain(sampler->perf);
	else
		ring_buffer__consume(sampler->ring);
	sampler->is_draining = 0;
	sampler->receiver.on_drained(sampler->receiver.context);
	sampler->drain_cpu_ns += clock_read_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
}

uint64_t sampler_records(const struct sampler *sampler)
{
	return sampler->records;
}

uint64_t sampler_drain_cpu_ns(const struct sampler *sampler)
{
	return sampler->drain_cpu_ns;
}

void sampler_set_active(struct sampler *sampler, int is_active)
{
	struct timeval interval = {.tv_usec = SAMPLER_DRAIN_MS * 1000};

	if (is_active == sampler->is_active)
		return;
	sampler->is_active = is_active;
	if (sampler->perf)
		perf_sampler_set_active(sampler->perf, is_active);
	if (is_active)
		event_add(sampler->timer, &interval);
	else
		event_del(sampler->timer);
}

void sampler_set_look(struct sampler *sampler, int fd)
{
	if (sampler->look_fd >= 0)
		close(sampler->look_fd);
	sampler->look_fd = fd;
}

int sampler_look(struct sampler *sampler)
{
	_Alignas(8) char looks[LOOKS_AT_ONCE * LOOK_BYTES];
	_cleanup_close_ int fd = bpf_iter_create(sampler->look_fd);
	size_t held = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t length = read(fd, looks + held, sizeof(looks) - held);

		if (length < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (length < 0)
			return -errno;
		if (length == 0)
			return 0;
		held += (size_t)length;
		size_t used = 0;
		for (; held - used >= LOOK_BYTES; used += LOOK_BYTES)
			on_record(sampler, looks + used, LOOK_BYTES);
		held -= used;
		memmove(looks, looks + used, held);
	}
}

void sampler_each_sum(const struct sampler *sampler,
		      void (*visit)(void *context, uint64_t id, const struct sum *sum),
		      void *context)
{
	_cleanup_free_ uint64_t *ids = memory_new(SUMS_AT_ONCE * sizeof(*ids));
	_cleanup_free_ struct sum *sums = memory_new(SUMS_AT_ONCE * sizeof(*sums));
	uint32_t position, *from = NULL;
	int error = 0;

	while (!error) {
		uint32_t count = SUMS_AT_ONCE;

		/* Ends with -ENOENT behind the last ones, and gives those. */
		error = bpf_map_lookup_batch(sampler->fds[BROKER_FD_SUMS], from, &position, ids,
					     sums, &count, NULL);
		if (error && error != -ENOENT)
			return;
		for (uint32_t i = 0; i < count; i++)
			visit(context, ids[i], &sums[i]);
		from = &position;
	}
}

int sampler_read_sum(const struct sampler *sampler, uint64_t id, struct sum *sum)
{
	return bpf_map_lookup_elem(sampler->fds[BROKER_FD_SUMS], &id, sum);
}

void sampler_forget_sum(struct sampler *sampler, uint64_t id)
{
	bpf_map_delete_elem(sampler->fds[BROKER_FD_SUMS], &id);
}

struct sampler_settings *sampler_settings(struct sampler *sampler)
{
	return sampler->perf ? profiled_set_settings(perf_sampler_profiled(sampler->perf))
			     : sampler->settings;
}

void sampler_read_counter_cpus(const struct sampler *sampler, uint32_t counter, uint64_t *values)
{
	if (bpf_map_lookup_elem(sampler->fds[BROKER_FD_COUNTERS], &counter, values))
		memset(values, 0, sampler->cpu_count * sizeof(*values));
}

uint32_t sampler_cpu_count(const struct sampler *sampler)
{
	return sampler->cpu_count;
}

uint64_t sampler_read_counter(const struct sampler *sampler, uint32_t counter)
{
	if (sampler->perf)
		return perf_sampler_read_counter(sampler->perf, counter);

	_cleanup_free_ uint64_t *values = memory_new(sampler->cpu_count * sizeof(*values));
	uint64_t sum = 0;

	if (bpf_map_lookup_elem(sampler->fds[BROKER_FD_COUNTERS], &counter, values))
		return 0;
	for (uint32_t cpu = 0; cpu < sampler->cpu_count; cpu++)
		sum += values[cpu];
	return sum;
}

void sampler_read_counters(const struct sampler *sampler, uint64_t *counters)
{
	for (uint32_t counter = 0; counter < KERNEL_COUNTER_COUNT; counter++)
		counters[counter] = sampler_read_counter(sampler, counter);
}

int sampler_find_process(const struct sampler *sampler, uint32_t pid, struct profiled *profiled)
{
	if (sampler->perf)
		return profiled_set_find_process(perf_sampler_profiled(sampler->perf), pid,
						 profiled);
	return bpf_map_lookup_elem(sampler->fds[BROKER_FD_PROCESSES], &pid, profiled);
}

int sampler_set_process(struct sampler *sampler, uint32_t pid, const struct profiled *profiled)
{
	if (sampler->perf)
		return perf_sampler_add_process(sampler->perf, pid, profiled);
	return bpf_map_update_elem(sampler->fds[BROKER_FD_PROCESSES], &pid, profiled, BPF_ANY);
}

void sampler_remove_process(struct sampler *sampler, uint32_t pid)
{
	if (sampler->perf) {
		profiled_set_remove_process(perf_sampler_profiled(sampler->perf), pid);
		return;
	}
	bpf_map_delete_elem(sampler->fds[BROKER_FD_PROCESSES], &pid);
}

void sampler_each_process(const struct sampler *sampler,
			  void (*visit)(void *context, uint32_t pid,
					const struct profiled *profiled),
			  void *context)
{
	if (sampler->perf) {
		profiled_set_each_process(perf_sampler_profiled(sampler->perf), visit, context);
		return;
	}

	int fd = sampler->fds[BROKER_FD_PROCESSES];
	struct profiled profiled;
	uint32_t pid, next;
	int error = bpf_map_get_next_key(fd, NULL, &next);

	/* A key that goes while we stand on it restarts the walk: visiting twice does no harm. */
	for (uint32_t steps = 0; !error && steps < UINT32_C(1) << 20; steps++) {
		pid = next;
		error = bpf_map_get_next_key(fd, &pid, &next);
		if (!bpf_map_lookup_elem(fd, &pid, &profiled))
			visit(context, pid, &profiled);
	}
}

void sampler_set_name(struct sampler *sampler, const char *name, const struct profiled *profiled)
{
	if (sampler->perf) {
		profiled_set_add_name(perf_sampler_profiled(sampler->perf), name, profiled);
		return;
	}
	bpf_map_update_elem(sampler->fds[BROKER_FD_NAMES], name, profiled, BPF_ANY);
}

void sampler_clear_names(struct sampler *sampler)
{
	if (sampler->perf) {
		profiled_set_clear_names(perf_sampler_profiled(sampler->perf));
		return;
	}

	char name[RECORD_NAME_BYTES];
	int fd = sampler->fds[BROKER_FD_NAMES];

	while (!bpf_map_get_next_key(fd, NULL, name))
		if (bpf_map_delete_elem(fd, name))
			break;
}

int sampler_set_cgroup(struct sampler *sampler, uint64_t id, const struct profiled *profiled)
{
	if (sampler->perf)
		return profiled_set_add_cgroup(perf_sampler_profiled(sampler->perf), id, profiled);
	return bpf_map_update_elem(sampler->fds[BROKER_FD_CGROUPS], &id, profiled, BPF_ANY);
}

void sampler_remove_cgroup(struct sampler *sampler, uint64_t id)
{
	if (sampler->perf) {
		profiled_set_remove_cgroup(perf_sampler_profiled(sampler->perf), id);
		return;
	}
	bpf_map_delete_elem(sampler->fds[BROKER_FD_CGROUPS], &id);
}

void sampler_forget_module(struct sampler *sampler, const struct module_key *key)
{
	bpf_map_delete_elem(sampler->fds[BROKER_FD_MODULES], key);
}

void sampler_free_module(struct sampler *sampler, uint32_t number)
{
	bpf_map_update_elem(sampler->fds[BROKER_FD_FREE_MODULES], NULL, &number, BPF_ANY);
}
