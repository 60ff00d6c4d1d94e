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

#include "common/intern.h"
#include "common/interval.h"

struct profile;
struct stack_levels;

enum ranking_order {
	RANKING_BY_SELF,
	RANKING_BY_TOTAL,
};

struct ranked_sum {
	struct interval_sum sum; /* in the profile's unit */
	double share;            /* of the whole, percent */
	double low, high;        /* its 95 % interval */
	double margin;           /* half of that interval, percentage points */
};

struct ranked_function {
	const char *name;   /* borrowed from the profile, or from the ranking */
	const char *module; /* "" when not known */
	uint32_t kind;      /* enum frame_kind, of the first frame of this name */
	struct ranked_sum self;
	struct ranked_sum total;
};

struct ranking {
	struct ranked_function *functions; /* the most expensive first */
	size_t count;
	struct intern levels; /* names of processes and threads */
	double weight;        /* of all rows */
	double samples;       /* of all rows */
};

/*
 * Rank the functions of profile, which must stay; with levels also its processes ("name/pid") and
 * threads ("name/tid"), which have no module and take nothing by themselves.
 */
void ranking_init(struct ranking *ranking, const struct profile *profile, enum ranking_order order,
		  const struct stack_levels *levels);
void ranking_fini(struct ranking *ranking);

#endif
