/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a profile can be relied on: a stack is whole when it was walked to its root, and named
 * when every level has a better name than module and offset.
 */
#ifndef FLAME_COMMON_QUALITY_H
#define FLAME_COMMON_QUALITY_H

struct profile;

/* Samples whose stacks are whole, in percent of all; 100 of none. */
double quality_whole_percent(const struct profile *profile);

/* Samples whose stacks are whole and named. */
double quality_named_percent(const struct profile *profile);

#endif
