/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation that cannot fail: running out of memory aborts the process. Every size that comes from
 * a target, a file or a client is therefore checked against a named limit before it gets here.
 */
#ifndef FLAME_COMMON_MEMORY_H
#define FLAME_COMMON_MEMORY_H

#include <stddef.h>

#define must_check                   __attribute__((warn_unused_result))
#define format_printf(string, first) __attribute__((format(printf, string, first)))

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Allocate size zeroed bytes. Owned (free). */
void *memory_new(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));

/* Resize array to hold count elements of size bytes each; aborts when the product overflows. */
void *memory_resize(void *array, size_t count, size_t size) __attribute__((returns_nonnull));

/*
 * Make room for at least needed elements of size bytes in array, doubling *capacity as required.
 * New elements are not initialised. Returns the (possibly moved) array.
 */
void *memory_grow(void *array, size_t *capacity, size_t needed, size_t size)
	__attribute__((returns_nonnull));

/* Copy length bytes and add a terminating zero. Owned (free). */
char *memory_copy_text(const char *text, size_t length) __attribute__((malloc, returns_nonnull));

/* Format into a new string. Owned (free). */
char *memory_format(const char *format, ...) format_printf(1, 2)
	__attribute__((malloc, returns_nonnull));

#endif
