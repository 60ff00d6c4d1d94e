/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "daemon/broker/perf_layout.h"
#include "daemon/core/sampling/perf_record.h"
#include "tests/fuzz/target.h"

/* Every byte that a record points at can be read, and lies in it. */
static void touch(const uint8_t *record, size_t record_size, const void *data, size_t size)
{
	static volatile uint8_t sink;
	const uint8_t *bytes = data;

	if (!size)
		return;
	if (bytes < record || bytes + size > record + record_size)
		abort();
	for (size_t i = 0; i < size; i++)
		sink ^= bytes[i];
}

static void check(const uint8_t *bytes, size_t size, uint64_t fields)
{
	struct perf_record record;
	int error = perf_record_parse(bytes, size, fields, &record);

	if (error && error != -EBADMSG && error != -ENOMSG)
		abort();
	if (error)
		return;
	switch (record.type) {
	case PERF_RECORD_SAMPLE:
		touch(bytes, size, record.sample.kernel_frames,
		      record.sample.kernel_count * sizeof(uint64_t));
		touch(bytes, size, record.sample.stack, record.sample.stack_bytes);
		break;
	case PERF_RECORD_MMAP2:
		if (record.mapping.start >= record.mapping.end)
			abort();
		touch(bytes, size, record.mapping.path, record.mapping.path_length);
		break;
	case PERF_RECORD_COMM:
		touch(bytes, size, record.name.text, record.name.length);
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct perf_event_header header;
	_cleanup_free_ uint8_t *bytes = memory_new(size ? size : 1);

	/* A copy of exactly that size, aligned as in a ring. */
	if (size)
		memcpy(bytes, data, size);
	check(bytes, size, PERF_SAMPLE_FIELDS);
	/* Most inputs do not know their size: tell them. */
	if (size < sizeof(header) || size >= PERF_RECORD_MAX_BYTES)
		return 0;
	memcpy(&header, bytes, sizeof(header));
	header.size = (uint16_t)size;
	memcpy(bytes, &header, sizeof(header));
	check(bytes, size, PERF_SAMPLE_FIELDS);
	check(bytes, size, PERF_SAMPLE_FIELDS & ~(uint64_t)PERF_SAMPLE_CGROUP);
	return 0;
}
