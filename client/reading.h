/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that a command reads: opened, recognised, and what is odd about them told on standard
 * error. What cannot be read ends the program.
 */
#ifndef FLAME_CLIENT_READING_H
#define FLAME_CLIENT_READING_H

#include "client/formats/input.h"

/* Add the stacks of the file at path to list, as values number which. */
void reading_add(const char *path, const struct input_settings *settings, int which,
		 struct stack_list *list);

/* End the program when there is nothing to count in list: an empty picture would say that all is well. */
void reading_check(const struct stack_list *list);

/* Non-zero when operand, which stands where a target may, names a file instead. */
int reading_is_file(const char *operand);

/*
 * Read the profile in the file at path, with its processes and losses where it has them; one without
 * a count ends the program. Owned (profile_free).
 */
struct profile *reading_profile(const char *path);

#endif
