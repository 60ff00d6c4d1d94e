/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the history's numbers to a profile that stands alone: sums of rows, whose stacks are
 * addresses, become frames with names, threads, processes and rows of the profile.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_TRANSLATION_H
#define FLAME_DAEMON_CORE_PROTOCOL_TRANSLATION_H

#include <stddef.h>
#include <stdint.h>

struct profile;
struct question;
struct row_sums;

/* All different addresses of the rows' stacks that question wants to see. Owned (free). */
uint64_t *translation_addresses(const struct row_sums *sums, const struct question *question,
				size_t *count);

/* Fill profile with the rows; the symbolizer has prepared the names of their addresses. */
void translation_fill(struct profile *profile, const struct row_sums *sums,
		      const struct question *question);

#endif
