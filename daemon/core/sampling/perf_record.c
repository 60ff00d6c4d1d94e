/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/sampling/perf_record.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "daemon/broker/perf_layout.h"

/* A place in a record; reading past the end leaves is_short behind and gives zeros. */
struct cursor {
	const uint8_t *at;
	size_t left;
	int is_short;
};

static const void *take(struct cursor *cursor, uint64_t size)
{
	const void *at = cursor->at;

	if (size > cursor->left) {
		cursor->is_short = 1;
		cursor->left = 0;
		return NULL;
	}
	cursor->at += size;
	cursor->left -= size;
	return at;
}

static uint64_t take_u64(struct cursor *cursor)
{
	const void *at = take(cursor, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

static uint32_t take_u32(struct cursor *cursor)
{
	const void *at = take(cursor, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return value;
}

/* A name, padded with zeros up to the end. */
static const char *take_name(struct cursor *cursor, uint32_t *length)
{
	const char *text = (const char *)cursor->at;

	*length = (uint32_t)strnlen(text, cursor->left);
	take(cursor, cursor->left);
	return text;
}

/* ---- Samples ---- */

/* How the kernel orders the sampled registers (enum perf_event_x86_regs). */
static const enum saved_register sampled[PERF_REGISTERS_COUNT] = {
	SAVED_RAX, SAVED_RBX, SAVED_RCX, SAVED_RDX, SAVED_RSI, SAVED_RDI,
	SAVED_RBP, SAVED_RSP, SAVED_RIP, SAVED_R8,  SAVED_R9,  SAVED_R10,
	SAVED_R11, SAVED_R12, SAVED_R13, SAVED_R14, SAVED_R15,
};

/* Marks between the addresses say whose they are; only the kernel's are asked for. */
static void take_frames(struct cursor *cursor, struct perf_sample *sample)
{
	uint64_t count = take_u64(cursor);
	const uint64_t *frames;

	if (count > cursor->left / sizeof(*frames)) {
		cursor->is_short = 1;
		return;
	}
	frames = take(cursor, count * sizeof(*frames));
	while (count && frames[0] >= (uint64_t)PERF_CONTEXT_MAX) {
		frames++;
		count--;
	}
	sample->kernel_frames = frames;
	sample->kernel_count = (uint32_t)count;
	for (uint32_t i = 0; i < sample->kernel_count; i++)
		if (frames[i] >= (uint64_t)PERF_CONTEXT_MAX)
			sample->kernel_count = i;
}

static void take_registers(struct cursor *cursor, struct perf_sample *sample)
{
	uint64_t abi = take_u64(cursor);

	if (abi == PERF_SAMPLE_REGS_ABI_NONE)
		return;
	sample->has_user = 1;
	sample->is_32_bit = abi == PERF_SAMPLE_REGS_ABI_32;
	for (size_t i = 0; i < ARRAY_SIZE(sampled); i++)
		sample->registers[sampled[i]] = take_u64(cursor);
}

/* Size, that many bytes, and unless the size is 0 how many of them were filled in. */
static void take_stack(struct cursor *cursor, struct perf_sample *sample)
{
	uint64_t size = take_u64(cursor);
	uint64_t filled;

	if (!size)
		return;
	sample->stack = take(cursor, size);
	filled = take_u64(cursor);
	if (filled > size)
		cursor->is_short = 1;
	else
		sample->stack_bytes = (uint32_t)filled;
}

static void take_sample(struct cursor *cursor, uint64_t fields, struct perf_record *record)
{
	struct perf_sample *sample = &record->sample;

	record->pid = take_u32(cursor);
	record->tid = take_u32(cursor);
	record->time_ns = take_u64(cursor);
	record->cpu = take_u32(cursor);
	take_u32(cursor);
	take_frames(cursor, sample);
	take_registers(cursor, sample);
	take_stack(cursor, sample);
	if (fields & PERF_SAMPLE_CGROUP)
		sample->cgroup_id = take_u64(cursor);
}

/* ---- What happens to processes ---- */

static void take_mapping(struct cursor *cursor, int has_build_id, struct perf_record *record)
{
	struct perf_mapping *mapping = &record->mapping;
	uint32_t major, minor;

	record->pid = take_u32(cursor);
	record->tid = take_u32(cursor);
	mapping->start = take_u64(cursor);
	mapping->end = mapping->start + take_u64(cursor);
	mapping->file_offset = take_u64(cursor);
	major = take_u32(cursor);
	minor = take_u32(cursor);
	mapping->device = major << 20 | minor;
	mapping->inode = take_u64(cursor);
	mapping->generation = take_u64(cursor);
	take_u64(cursor); /* protection and flags */
	mapping->path = take_name(cursor, &mapping->path_length);
	/* Was not asked for: the fields above hold something else then. */
	if (has_build_id || mapping->start >= mapping->end)
		cursor->is_short = 1;
}

static void take_comm(struct cursor *cursor, int is_exec, struct perf_record *record)
{
	record->pid = take_u32(cursor);
	record->tid = take_u32(cursor);
	record->name.text = take_name(cursor, &record->name.length);
	record->name.is_exec = is_exec;
}

/* Of FORK and EXIT. */
static void take_task(struct cursor *cursor, struct perf_record *record)
{
	record->pid = take_u32(cursor);
	record->task.parent_pid = take_u32(cursor);
	record->tid = take_u32(cursor);
	record->task.parent_tid = take_u32(cursor);
}

static int take_other(struct cursor *cursor, const struct perf_event_header *header,
		      struct perf_record *record)
{
	switch (header->type) {
	case PERF_RECORD_MMAP2:
		take_mapping(cursor, header->misc & PERF_RECORD_MISC_MMAP_BUILD_ID, record);
		return 0;
	case PERF_RECORD_COMM:
		take_comm(cursor, header->misc & PERF_RECORD_MISC_COMM_EXEC, record);
		return 0;
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		take_task(cursor, record);
		return 0;
	case PERF_RECORD_LOST:
		take_u64(cursor); /* id of the event */
		record->lost = take_u64(cursor);
		return 0;
	case PERF_RECORD_THROTTLE:
	case PERF_RECORD_UNTHROTTLE:
		return 0;
	default:
		return -ENOMSG;
	}
}

/* What ends each record but a sample: who, when and where. */
struct trailer {
	uint32_t pid, tid;
	uint64_t time_ns;
	uint32_t cpu, reserved;
};

int perf_record_parse(const void *bytes, size_t size, uint64_t fields, struct perf_record *record)
{
	struct cursor cursor = {.at = bytes, .left = size};
	struct perf_event_header header;
	struct trailer trailer;
	int error = 0;

	if (size < sizeof(header))
		return -EBADMSG;
	memcpy(&header, take(&cursor, sizeof(header)), sizeof(header));
	if (header.size != size)
		return -EBADMSG;
	memset(record, 0, sizeof(*record));
	record->type = header.type;
	if (header.type == PERF_RECORD_SAMPLE) {
		take_sample(&cursor, fields, record);
		record->sample.in_kernel =
			(header.misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_KERNEL;
		return cursor.is_short ? -EBADMSG : 0;
	}
	if (cursor.left < sizeof(trailer))
		return -EBADMSG;
	cursor.left -= sizeof(trailer);
	memcpy(&trailer, cursor.at + cursor.left, sizeof(trailer));
	record->time_ns = trailer.time_ns;
	record->cpu = trailer.cpu;
	error = take_other(&cursor, &header, record);
	return !error && cursor.is_short ? -EBADMSG : error;
}
