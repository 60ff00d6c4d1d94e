/* SPDX-License-Identifier: Apache-2.0 */
#include "client/formats/embedded.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "common/cleanup.h"
#include "common/profile.h"
#include "common/profile_json.h"

#define PIECE_BYTES (48 * 1024) /* a multiple of three, so that pieces need no '=' in between */

/* Beyond this many, time counts more than bytes. */
#define MANY_NODES 10000

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* What is compressed and not written yet. */
struct packer {
	z_stream stream;
	FILE *file;
	unsigned char piece[PIECE_BYTES];
};

static void write_base64(const unsigned char *bytes, size_t length, FILE *file)
{
	for (size_t i = 0; i < length; i += 3) {
		uint32_t word = (uint32_t)bytes[i] << 16;

		if (i + 1 < length)
			word |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < length)
			word |= bytes[i + 2];
		putc_unlocked(digits[word >> 18], file);
		putc_unlocked(digits[word >> 12 & 63], file);
		putc_unlocked(i + 1 < length ? digits[word >> 6 & 63] : '=', file);
		putc_unlocked(i + 2 < length ? digits[word & 63] : '=', file);
	}
}

static void pack(struct packer *packer, int flush)
{
	int status;

	do {
		status = deflate(&packer->stream, flush);
		if (packer->stream.avail_out && status != Z_STREAM_END)
			continue;
		write_base64(packer->piece, PIECE_BYTES - packer->stream.avail_out, packer->file);
		packer->stream.next_out = packer->piece;
		packer->stream.avail_out = PIECE_BYTES;
	} while (flush == Z_FINISH ? status == Z_OK : packer->stream.avail_in > 0);
}

static int take_json(void *context, const char *bytes, size_t length)
{
	struct packer *packer = context;

	packer->stream.next_in = (z_const Bytef *)(uintptr_t)bytes;
	packer->stream.avail_in = (uInt)length;
	pack(packer, Z_NO_FLUSH);
	return 0;
}

int embedded_write(const struct profile *profile, const char *id, FILE *file)
{
	_cleanup_free_ struct packer *packer = memory_new(sizeof(*packer));

	packer->file = file;
	packer->stream.next_out = packer->piece;
	packer->stream.avail_out = PIECE_BYTES;
	int level = profile->node_count > MANY_NODES ? Z_BEST_SPEED : Z_BEST_COMPRESSION;
	if (deflateInit(&packer->stream, level) != Z_OK)
		return -ENOMEM;
	fprintf(file, "<metadata id=\"%s\">", id);
	int error = profile_json_write(profile, take_json, packer);
	pack(packer, Z_FINISH);
	deflateEnd(&packer->stream);
	fputs("</metadata>\n", file);
	return error ? error : ferror(file) ? -EIO : 0;
}

/* The bytes that text stands for; white space between digits is left out. Owned (free). */
static unsigned char *read_base64(const char *text, size_t length, size_t *size)
{
	unsigned char *bytes = memory_resize(NULL, length / 4 * 3 + 3, 1);
	uint32_t word = 0;
	int bits = 0;

	*size = 0;
	for (size_t i = 0; i < length; i++) {
		const char *digit = text[i] ? strchr(digits, text[i]) : NULL;

		if (!digit)
			continue;
		word = word << 6 | (uint32_t)(digit - digits);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			bytes[(*size)++] = (unsigned char)(word >> bits);
		}
	}
	return bytes;
}

/* Decompress into *text, which is Owned (free). */
static int unpack(const unsigned char *bytes, size_t size, char **text, size_t *length)
{
	z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes, .avail_in = (uInt)size};
	size_t capacity = 0;
	int status;

	*text = NULL;
	*length = 0;
	if (size > UINT32_MAX)
		return -E2BIG;
	if (inflateInit(&stream) != Z_OK)
		return -ENOMEM;
	do {
		*text = memory_grow(*text, &capacity, *length + PIECE_BYTES, 1);
		stream.next_out = (Bytef *)*text + *length;
		stream.avail_out = PIECE_BYTES;
		status = inflate(&stream, Z_NO_FLUSH);
		*length += PIECE_BYTES - stream.avail_out;
	} while (status == Z_OK && *length <= PROFILE_JSON_MAX_BYTES);
	inflateEnd(&stream);
	if (*length > PROFILE_JSON_MAX_BYTES)
		return -E2BIG;
	return status == Z_STREAM_END ? 0 : -EINVAL;
}

int embedded_read(const char *svg, size_t length, const char *id, struct profile **profile,
		  const char **error)
{
	_cleanup_free_ char *mark = memory_format("<metadata id=\"%s\">", id);
	_cleanup_free_ unsigned char *packed = NULL;
	_cleanup_free_ char *text = NULL;
	const char *start = memmem(svg, length, mark, strlen(mark));
	size_t size, text_length;

	*error = "no profile of flame is in this picture";
	if (!start)
		return -ENOENT;
	start += strlen(mark);
	const char *end = memchr(start, '<', length - (size_t)(start - svg));
	if (!end)
		return -EINVAL;
	*error = "the profile in this picture is damaged";
	packed = read_base64(start, (size_t)(end - start), &size);
	int status = unpack(packed, size, &text, &text_length);
	return status ? status : profile_json_read(text, text_length, profile, error);
}
