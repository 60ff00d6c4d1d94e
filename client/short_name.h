/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of functions on a terminal. Those of C++ templates may be longer than the screen, most of it
 * arguments of arguments.
 */
#ifndef FLAME_CLIENT_SHORT_NAME_H
#define FLAME_CLIENT_SHORT_NAME_H

#include <stddef.h>

/*
 * Return name as it fits columns (0: there is no limit): with "<…>" for the arguments of templates
 * where it is too long, and if that is not enough without its beginning. Owned (free).
 */
char *short_name(const char *name, size_t columns);

#endif
