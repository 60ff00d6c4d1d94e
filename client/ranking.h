/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of a profile by what they cost: by themselves, and with all they call. A function is
 * a name in a module; one that calls itself counts once a stack. Shares come with what they may be
 * off by, since every row of a profile tells its variance.
 */
#ifndef FLAME_CLIENT_RANKING_H
#define FLAME_CLIENT_RANKING_H

#include <stddef.h>
#include <stdint.h>

struct profile;

enum ranking_order {
	RANKING_BY_SELF,
	RANKING_BY_TOTAL,
};

struct ranked_sum {
	double weight; /* in the profile's unit */
	double variance;
	double share;  /* of the whole, percent */
	double margin; /* half the 95 % interval of share, percentage points */
};

struct ranked_function {
	const char *name;   /* borrowed from the profile */
	const char *module; /* "" when not known */
	uint32_t kind;      /* enum frame_kind, of the first frame of this name */
	struct ranked_sum self;
	struct ranked_sum total;
};

struct ranking {
	struct ranked_function *functions; /* the most expensive first */
	size_t count;
	double weight;  /* of all rows */
	double samples; /* of all rows */
};

/* Rank the functions of profile, which must stay. */
void ranking_init(struct ranking *ranking, const struct profile *profile, enum ranking_order order);
void ranking_fini(struct ranking *ranking);

#endif
