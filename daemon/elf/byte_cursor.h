/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads numbers from bytes that may end anywhere. What lies behind the end reads as zero and marks
 * the cursor as overrun, so a parser looks once, where it decides, and not after each number.
 */
#ifndef FLAME_DAEMON_ELF_BYTE_CURSOR_H
#define FLAME_DAEMON_ELF_BYTE_CURSOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct byte_cursor {
	const uint8_t *at;
	const uint8_t *end;
	int is_overrun;
};

static inline size_t byte_cursor_left(const struct byte_cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

/* Move over count bytes. */
static inline void byte_cursor_skip(struct byte_cursor *cursor, uint64_t count)
{
	if (count > byte_cursor_left(cursor)) {
		cursor->at = cursor->end;
		cursor->is_overrun = 1;
		return;
	}
	cursor->at += count;
}

/* Copy size bytes, in this machine's order; zeros when there are not as many. */
static inline void byte_cursor_copy(struct byte_cursor *cursor, void *value, size_t size)
{
	if (size > byte_cursor_left(cursor)) {
		memset(value, 0, size);
		cursor->at = cursor->end;
		cursor->is_overrun = 1;
		return;
	}
	memcpy(value, cursor->at, size);
	cursor->at += size;
}

static inline uint8_t byte_cursor_u8(struct byte_cursor *cursor)
{
	if (cursor->at < cursor->end)
		return *cursor->at++;
	cursor->is_overrun = 1;
	return 0;
}

static inline uint16_t byte_cursor_u16(struct byte_cursor *cursor)
{
	uint16_t value;

	byte_cursor_copy(cursor, &value, sizeof(value));
	return value;
}

static inline uint32_t byte_cursor_u32(struct byte_cursor *cursor)
{
	uint32_t value;

	byte_cursor_copy(cursor, &value, sizeof(value));
	return value;
}

static inline uint64_t byte_cursor_u64(struct byte_cursor *cursor)
{
	uint64_t value;

	byte_cursor_copy(cursor, &value, sizeof(value));
	return value;
}

/* Unsigned LEB128; bits over the 64th are lost. */
static inline uint64_t byte_cursor_uleb(struct byte_cursor *cursor)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = byte_cursor_u8(cursor);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return value;
}

/* Signed LEB128. */
static inline int64_t byte_cursor_sleb(struct byte_cursor *cursor)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = byte_cursor_u8(cursor);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (byte & 0x40 && shift < 64)
		value |= ~UINT64_C(0) << shift;
	return (int64_t)value;
}

/* A block of bytes with its size in front. */
static inline struct byte_cursor byte_cursor_block(struct byte_cursor *cursor)
{
	uint64_t size = byte_cursor_uleb(cursor);
	struct byte_cursor block = {.at = cursor->at};

	byte_cursor_skip(cursor, size);
	block.end = cursor->at;
	return block;
}

#endif
