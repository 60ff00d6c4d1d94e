/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/mini_debug.h"

#include <errno.h>
#include <lzma.h>
#include <stdlib.h>

#define FIRST_BYTES (UINT32_C(256) << 10)

/* Run the decoder to the end of the stream, making room as it goes. */
static int decode(lzma_stream *stream, uint8_t **bytes, size_t *size)
{
	size_t capacity = 0;

	for (;;) {
		if (!stream->avail_out) {
			size_t grown = capacity ? 2 * capacity : FIRST_BYTES;

			if (grown > MINI_DEBUG_MAX_BYTES)
				return -E2BIG;
			*bytes = memory_resize(*bytes, grown, 1);
			stream->next_out = *bytes + capacity;
			stream->avail_out = grown - capacity;
			capacity = grown;
		}
		lzma_ret result = lzma_code(stream, LZMA_FINISH);
		if (result == LZMA_STREAM_END) {
			*size = capacity - stream->avail_out;
			return 0;
		}
		if (result != LZMA_OK)
			return result == LZMA_MEMLIMIT_ERROR ? -E2BIG : -EBADMSG;
	}
}

static int decompress(const Elf_Data *data, uint8_t **bytes, size_t *size)
{
	lzma_stream stream = LZMA_STREAM_INIT;

	if (lzma_stream_decoder(&stream, MINI_DEBUG_MAX_DECODING, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = data->d_buf;
	stream.avail_in = data->d_size;
	int error = decode(&stream, bytes, size);
	lzma_end(&stream);
	return error;
}

int mini_debug_open(struct mini_debug *mini, const struct elf_file *outer)
{
	const struct elf_section *section = elf_file_find_section(outer, ".gnu_debugdata");
	_cleanup_free_ uint8_t *bytes = NULL;
	struct elf_file file;
	Elf_Data *data;
	size_t size;

	if (!section || elf_section_read(section, &data))
		return -ENOENT;
	int error = decompress(data, &bytes, &size);
	if (!error)
		error = elf_file_open_memory(&file, bytes, size);
	if (error)
		return error;
	mini->file = file;
	mini->bytes = steal_ptr(&bytes);
	return 0;
}

void mini_debug_close(struct mini_debug *mini)
{
	if (mini->bytes)
		elf_file_close(&mini->file);
	free(mini->bytes);
	mini->bytes = NULL;
}
