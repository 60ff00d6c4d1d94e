/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_merge.h"

#include <errno.h>
#include <sys/resource.h>

#include "daemon/core/sampling/perf_ring.h"

struct source {
	struct perf_ring *ring; /* NULL: the CPU is not there */
	struct perf_merged next;
	size_t next_size; /* 0: not known yet, or none */
	int is_empty;     /* nothing more was seen */
};

struct perf_merge {
	uint64_t fields;
	uint64_t malformed;
	struct perf_merged current;
	uint32_t count;
	struct source sources[]; /* PERF_RING_COUNT for each CPU */
};

struct perf_merge *perf_merge_new(uint32_t cpu_count, uint64_t fields)
{
	uint32_t count = cpu_count * PERF_RING_COUNT;
	struct perf_merge *merge = memory_new(sizeof(*merge) + count * sizeof(merge->sources[0]));

	merge->fields = fields;
	merge->count = count;
	for (uint32_t i = 0; i < count; i++) {
		merge->sources[i].next.cpu = i / PERF_RING_COUNT;
		merge->sources[i].next.kind = (enum perf_ring_kind)(i % PERF_RING_COUNT);
	}
	return merge;
}

void perf_merge_free(struct perf_merge *merge)
{
	if (!merge)
		return;
	for (uint32_t i = 0; i < merge->count; i++)
		perf_ring_close(merge->sources[i].ring);
	free(merge);
}

/* The size of a ring with samples, so that all CPUs' rings may be locked into memory. */
static size_t choose_size(const struct perf_merge *merge)
{
	uint32_t cpu_count = merge->count / PERF_RING_COUNT;
	size_t size = perf_samples_bytes(cpu_count);
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return size;
	while (size > PERF_SAMPLES_MIN_BYTES &&
	       (size + 2 * PERF_TASKS_BYTES) * cpu_count > limit.rlim_cur)
		size /= 2;
	return size;
}

int perf_merge_add(struct perf_merge *merge, uint32_t cpu, const int fds[PERF_RING_COUNT])
{
	const size_t sizes[PERF_RING_COUNT] = {
		[PERF_RING_SAMPLES] = choose_size(merge),
		[PERF_RING_TASKS] = PERF_TASKS_BYTES,
	};
	int result = 0;

	for (uint32_t kind = 0; kind < PERF_RING_COUNT; kind++) {
		struct source *source = &merge->sources[cpu * PERF_RING_COUNT + kind];
		int error;

		perf_ring_close(source->ring);
		source->ring = NULL;
		source->next_size = 0;
		error = perf_ring_open(fds[kind], sizes[kind], &source->ring);
		if (error)
			result = error;
	}
	return result;
}

void perf_merge_look(struct perf_merge *merge)
{
	for (uint32_t i = 0; i < merge->count; i++) {
		struct source *source = &merge->sources[i];

		source->is_empty = !source->ring;
		if (source->ring)
			perf_ring_look(source->ring);
	}
}

/* Take the next record of a ring apart, passing over what is of no interest. */
static void prepare(struct perf_merge *merge, struct source *source)
{
	int is_broken;
	size_t size;

	while (!source->is_empty && !source->next_size) {
		const void *bytes = perf_ring_peek(source->ring, &size, &is_broken);
		int error;

		merge->malformed += is_broken != 0;
		if (!bytes) {
			source->is_empty = 1;
			return;
		}
		error = perf_record_parse(bytes, size, merge->fields, &source->next.record);
		merge->malformed += error == -EBADMSG;
		if (error)
			perf_ring_skip(source->ring, size);
		else
			source->next_size = size;
	}
}

const struct perf_merged *perf_merge_next(struct perf_merge *merge, uint64_t until_ns)
{
	struct source *first = NULL;

	for (uint32_t i = 0; i < merge->count; i++) {
		struct source *source = &merge->sources[i];

		prepare(merge, source);
		if (source->next_size && source->next.record.time_ns <= until_ns &&
		    (!first || source->next.record.time_ns < first->next.record.time_ns))
			first = source;
	}
	if (!first)
		return NULL;
	merge->current = first->next;
	perf_ring_skip(first->ring, first->next_size);
	first->next_size = 0;
	return &merge->current;
}

/* What was taken apart and not given out is still in its ring, and looked at again. */
void perf_merge_release(struct perf_merge *merge)
{
	for (uint32_t i = 0; i < merge->count; i++) {
		if (!merge->sources[i].ring)
			continue;
		perf_ring_release(merge->sources[i].ring);
		merge->sources[i].next_size = 0;
	}
}

void perf_merge_discard(struct perf_merge *merge)
{
	for (uint32_t i = 0; i < merge->count; i++) {
		if (!merge->sources[i].ring)
			continue;
		perf_ring_discard(merge->sources[i].ring);
		merge->sources[i].next_size = 0;
	}
}

uint64_t perf_merge_malformed(const struct perf_merge *merge)
{
	return merge->malformed;
}
