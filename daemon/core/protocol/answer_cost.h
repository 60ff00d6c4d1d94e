/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer says about the cost of measuring: a percentage for the footer, and a note when it
 * was more than the budget allows.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_ANSWER_COST_H
#define FLAME_DAEMON_CORE_PROTOCOL_ANSWER_COST_H

struct bucket_totals;
struct measure;
struct profile;

/* Describe in profile what all that measure needs cost in the window that totals are about. */
void answer_cost_describe(struct profile *profile, const struct measure *measure,
			  const struct bucket_totals *totals);

#endif
