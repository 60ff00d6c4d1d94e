/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/broker/perf_rings.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "daemon/broker/cpu_events.h"

/* What read() on an event gives for PERF_FORMAT_TOTAL_TIME_ENABLED. */
struct reading {
	uint64_t value;
	uint64_t enabled_ns;
};

struct ring_pair {
	int fds[PERF_RING_COUNT]; /* -1: none, the CPU is offline */
	uint64_t enabled_ns;      /* when it was looked at last */
};

/* What one machine has and another has not, best first. */
static const struct ability {
	int is_cycles;
	int lacks_kernel;
	uint64_t fields;
} abilities[] = {
	{1, 0, PERF_SAMPLE_FIELDS},
	{0, 0, PERF_SAMPLE_FIELDS},
	{0, 0, PERF_SAMPLE_FIELDS & ~(uint64_t)PERF_SAMPLE_CGROUP},
	{0, 1, PERF_SAMPLE_FIELDS},
	{0, 1, PERF_SAMPLE_FIELDS & ~(uint64_t)PERF_SAMPLE_CGROUP},
};

struct perf_rings {
	const struct ability *ability;
	uint64_t rate_hz;
	size_t count;
	struct ring_pair pairs[];
};

static int event_open(struct perf_event_attr *attributes, int cpu)
{
	long fd;

	attributes->size = sizeof(*attributes);
	attributes->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
	attributes->disabled = 1;
	attributes->sample_id_all = 1;
	attributes->use_clockid = 1;
	attributes->clockid = PERF_CLOCK;
	fd = syscall(SYS_perf_event_open, attributes, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

/* The number that an event counts to: events a second, or ns between them. */
static uint64_t period_of(const struct perf_rings *rings)
{
	uint64_t rate_hz = rings->rate_hz ? rings->rate_hz : 1;

	return rings->ability->is_cycles ? rate_hz : NS_PER_SECOND / rate_hz;
}

static int open_samples(const struct perf_rings *rings, int cpu)
{
	const struct ability *ability = rings->ability;
	struct perf_event_attr attributes = {
		.type = ability->is_cycles ? PERF_TYPE_HARDWARE : PERF_TYPE_SOFTWARE,
		.config = ability->is_cycles ? (uint64_t)PERF_COUNT_HW_CPU_CYCLES
					     : (uint64_t)PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_of(rings),
		.freq = ability->is_cycles != 0,
		.sample_type = ability->fields,
		.sample_regs_user = PERF_REGISTERS_MASK,
		.sample_stack_user = PERF_STACK_BYTES,
		.exclude_callchain_user = 1,
		.exclude_kernel = ability->lacks_kernel != 0,
		.exclude_hv = 1,
		.exclude_idle = 1,
	};

	return event_open(&attributes, cpu);
}

static int open_tasks(int cpu)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_ID_FIELDS,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.exclude_kernel = 1,
	};

	return event_open(&attributes, cpu);
}

/* Errors: why the last and least was refused. */
static int find_ability(struct perf_rings *rings)
{
	int cpu = sched_getcpu(), error = -EOPNOTSUPP;

	for (size_t i = 0; i < ARRAY_SIZE(abilities); i++) {
		rings->ability = &abilities[i];

		_cleanup_close_ int fd = open_samples(rings, cpu < 0 ? 0 : cpu);

		if (fd >= 0)
			return 0;
		error = fd;
	}
	return error;
}

int perf_rings_new(int cpu_count, struct perf_rings **result)
{
	size_t count = (size_t)cpu_count;
	_cleanup_(perf_rings_freep) struct perf_rings *rings =
		memory_new(sizeof(*rings) + count * sizeof(rings->pairs[0]));
	int error;

	rings->count = count;
	for (size_t i = 0; i < count; i++)
		rings->pairs[i].fds[PERF_RING_SAMPLES] = rings->pairs[i].fds[PERF_RING_TASKS] = -1;
	error = find_ability(rings);
	if (error)
		return error;
	*result = steal_ptr(&rings);
	return 0;
}

static void pair_close(struct ring_pair *pair)
{
	for (int kind = 0; kind < PERF_RING_COUNT; kind++) {
		if (pair->fds[kind] >= 0)
			close(pair->fds[kind]);
		pair->fds[kind] = -1;
	}
}

void perf_rings_free(struct perf_rings *rings)
{
	if (!rings)
		return;
	for (size_t i = 0; i < rings->count; i++)
		pair_close(&rings->pairs[i]);
	free(rings);
}

int perf_rings_are_cycles(const struct perf_rings *rings)
{
	return rings->ability->is_cycles;
}

uint64_t perf_rings_fields(const struct perf_rings *rings)
{
	return rings->ability->fields;
}

int perf_rings_lack_kernel(const struct perf_rings *rings)
{
	return rings->ability->lacks_kernel;
}

/* An event whose CPU went away stays open, but its time stands still, also when the CPU is back. */
static int pair_is_alive(const struct perf_rings *rings, struct ring_pair *pair)
{
	struct reading reading;

	if (pair->fds[PERF_RING_SAMPLES] < 0)
		return 0;
	if (!rings->rate_hz)
		return 1;
	if (read(pair->fds[PERF_RING_SAMPLES], &reading, sizeof(reading)) != sizeof(reading) ||
	    reading.enabled_ns == pair->enabled_ns)
		return 0;
	pair->enabled_ns = reading.enabled_ns;
	return 1;
}

static int pair_enable(const struct perf_rings *rings, const struct ring_pair *pair)
{
	unsigned long request = rings->rate_hz ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;

	for (int kind = PERF_RING_COUNT; kind-- > 0;)
		if (ioctl(pair->fds[kind], request, 0))
			return -errno;
	return 0;
}

static int pair_open(const struct perf_rings *rings, struct ring_pair *pair, int cpu)
{
	pair->fds[PERF_RING_SAMPLES] = open_samples(rings, cpu);
	if (pair->fds[PERF_RING_SAMPLES] < 0)
		return pair->fds[PERF_RING_SAMPLES];
	pair->fds[PERF_RING_TASKS] = open_tasks(cpu);
	pair->enabled_ns = 0;
	return pair->fds[PERF_RING_TASKS] < 0 ? pair->fds[PERF_RING_TASKS]
					      : pair_enable(rings, pair);
}

int perf_rings_open(struct perf_rings *rings, uint64_t cpu, int fds[PERF_RING_COUNT])
{
	struct ring_pair *pair;
	int error;

	if (cpu >= rings->count)
		return -EINVAL;
	pair = &rings->pairs[cpu];
	if (pair_is_alive(rings, pair))
		return -EALREADY;
	pair_close(pair);
	error = pair_open(rings, pair, (int)cpu);
	if (error) {
		pair_close(pair);
		return error;
	}
	for (int kind = 0; kind < PERF_RING_COUNT; kind++) {
		fds[kind] = fcntl(pair->fds[kind], F_DUPFD_CLOEXEC, 3);
		if (fds[kind] < 0) {
			error = -errno;
			while (kind > 0)
				close(fds[--kind]);
			return error;
		}
	}
	return 0;
}

int perf_rings_set_rate(struct perf_rings *rings, uint64_t rate_hz)
{
	uint64_t period;
	int result = 0;

	if (rate_hz > MAX_RATE_HZ)
		return -EINVAL;
	if (rate_hz == rings->rate_hz)
		return 0;
	rings->rate_hz = rate_hz;
	period = period_of(rings);
	for (size_t i = 0; i < rings->count; i++) {
		struct ring_pair *pair = &rings->pairs[i];
		int error;

		if (pair->fds[PERF_RING_SAMPLES] < 0)
			continue;
		error = ioctl(pair->fds[PERF_RING_SAMPLES], PERF_EVENT_IOC_PERIOD, &period) ? -errno
											    : 0;
		if (!error)
			error = pair_enable(rings, pair);
		if (error)
			result = error;
	}
	return result;
}
