/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/cpu_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"

/* What read() on an event gives for PERF_FORMAT_TOTAL_TIME_ENABLED. */
struct reading {
	uint64_t value;
	uint64_t enabled_ns;
};

struct cpu_event {
	int fd;              /* -1: none, the CPU is offline */
	uint64_t looked_ns;  /* when it was looked at last, monotonic */
	uint64_t enabled_ns; /* how long it had run then */
};

struct cpu_events {
	int program;
	int is_cycles;
	uint64_t rate_hz;
	size_t count;
	struct cpu_event events[];
};

static int event_open(int is_cycles, uint64_t rate_hz, int cpu)
{
	struct perf_event_attr attributes = {
		.size = sizeof(attributes),
		.type = is_cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = is_cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES
				    : (uint64_t)PERF_COUNT_SW_CPU_CLOCK,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED,
		.disabled = 1,
		.exclude_idle = 1,
	};
	long fd;

	/* The clock fires at exact intervals; cycles take as many as pass in one. */
	if (is_cycles) {
		attributes.freq = 1;
		attributes.sample_freq = rate_hz;
	} else {
		attributes.sample_period = NS_PER_SECOND / rate_hz;
	}
	fd = syscall(SYS_perf_event_open, &attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

struct cpu_events *cpu_events_new(int cpu_count, int program)
{
	size_t count = (size_t)cpu_count;
	struct cpu_events *events = memory_new(sizeof(*events) + count * sizeof(events->events[0]));
	int probe = event_open(1, 1, 0);

	events->is_cycles = probe >= 0;
	if (probe >= 0)
		close(probe);
	events->program = program;
	events->count = count;
	for (size_t i = 0; i < count; i++)
		events->events[i].fd = -1;
	return events;
}

static void event_close(struct cpu_event *event)
{
	if (event->fd >= 0)
		close(event->fd);
	event->fd = -1;
}

void cpu_events_free(struct cpu_events *events)
{
	if (!events)
		return;
	for (size_t i = 0; i < events->count; i++)
		event_close(&events->events[i]);
	free(events);
}

int cpu_events_are_cycles(const struct cpu_events *events)
{
	return events->is_cycles;
}

/*
 * An event whose CPU went away stays open, but its time stands still, also when the CPU is back: it
 * should have run since it was looked at, or for most of that time.
 */
static int event_is_alive(struct cpu_event *event)
{
	uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
	struct reading reading;

	if (event->fd < 0 || read(event->fd, &reading, sizeof(reading)) != sizeof(reading) ||
	    (reading.enabled_ns - event->enabled_ns) * 2 < now_ns - event->looked_ns)
		return 0;
	event->enabled_ns = reading.enabled_ns;
	event->looked_ns = now_ns;
	return 1;
}

static int event_start(const struct cpu_events *events, struct cpu_event *event, int cpu)
{
	_cleanup_close_ int fd = event_open(events->is_cycles, events->rate_hz, cpu);

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, events->program) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		return -errno;
	event->fd = steal_fd(&fd);
	event->enabled_ns = 0;
	event->looked_ns = clock_read_ns(CLOCK_MONOTONIC);
	return 0;
}

int cpu_events_set_rate(struct cpu_events *events, uint64_t rate_hz)
{
	size_t running = 0;
	int error = 0;

	if (rate_hz > MAX_RATE_HZ)
		return -EINVAL;

	int is_same = rate_hz == events->rate_hz;

	events->rate_hz = rate_hz;
	for (size_t i = 0; i < events->count; i++) {
		struct cpu_event *event = &events->events[i];

		if (rate_hz && is_same && event_is_alive(event)) {
			running++;
			continue;
		}
		event_close(event);
		if (!rate_hz)
			continue;

		int failure = event_start(events, event, (int)i);

		running += !failure;
		if (failure && failure != -ENODEV)
			error = failure;
	}
	if (rate_hz && !running)
		return error ? error : -ENODEV;
	return 0;
}
