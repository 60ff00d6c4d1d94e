/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope-bound ownership: a variable declared with _cleanup_(function) is released when it goes out
 * of scope, whichever return is taken; steal_ptr() and steal_fd() hand it to somebody else first.
 * The release functions accept NULL (or a negative fd) and save errno.
 */
#ifndef FLAME_COMMON_CLEANUP_H
#define FLAME_COMMON_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

/* Define the pointer-to-pointer form of a destructor: DEFINE_CLEANUP(profile_free, struct profile). */
#define DEFINE_CLEANUP(destructor, type)                \
	static inline void destructor##p(type **object) \
	{                                               \
		int saved_errno = errno;                \
                                                        \
		destructor(*object);                    \
		errno = saved_errno;                    \
	}

static inline void cleanup_freep(void *pointer)
{
	int saved_errno = errno;

	free(*(void **)pointer);
	errno = saved_errno;
}

static inline void cleanup_closep(const int *fd)
{
	int saved_errno = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved_errno;
}

static inline void cleanup_fclosep(FILE **file)
{
	int saved_errno = errno;

	if (*file)
		fclose(*file);
	errno = saved_errno;
}

#define _cleanup_free_   _cleanup_(cleanup_freep)
#define _cleanup_close_  _cleanup_(cleanup_closep)
#define _cleanup_fclose_ _cleanup_(cleanup_fclosep)

static inline void *cleanup_steal_pointer(void *pointer)
{
	void *value = *(void **)pointer;

	*(void **)pointer = NULL;
	return value;
}

/* Take the pointer out of the variable at the address, which is left NULL. */
#define steal_ptr(address) ((__typeof__(*(address)))cleanup_steal_pointer(address))

static inline int steal_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

#endif
