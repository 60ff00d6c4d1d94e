/* SPDX-License-Identifier: Apache-2.0 */
#include "common/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(void)
{
	static const char message[] = "out of memory\n";

	fwrite(message, 1, sizeof(message) - 1, stderr);
	abort();
}

void *memory_new(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		out_of_memory();
	return memory;
}

void *memory_resize(void *array, size_t count, size_t size)
{
	void *memory = reallocarray(array, count ? count : 1, size ? size : 1);

	if (!memory)
		out_of_memory();
	return memory;
}

void *memory_grow(void *array, size_t *capacity, size_t needed, size_t size)
{
	if (array && needed <= *capacity)
		return array;
	size_t grown = *capacity ? *capacity : 16;
	while (grown < needed) {
		if (grown > SIZE_MAX / 2)
			out_of_memory();
		grown *= 2;
	}
	*capacity = grown;
	return memory_resize(array, grown, size);
}

char *memory_copy_text(const char *text, size_t length)
{
	char *copy = memory_new(length + 1);

	memcpy(copy, text, length);
	return copy;
}

char *memory_format(const char *format, ...)
{
	char *text = NULL;
	va_list arguments;

	va_start(arguments, format);
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0)
		out_of_memory();
	return text;
}
