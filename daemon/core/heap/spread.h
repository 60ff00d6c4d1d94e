/* SPDX-License-Identifier: Apache-2.0 */
/* How much a number varies from one time to the next; what is old counts for less. Arithmetic alone. */
#ifndef FLAME_DAEMON_CORE_HEAP_SPREAD_H
#define FLAME_DAEMON_CORE_HEAP_SPREAD_H

#define SPREAD_MEMORY 0.9 /* of the weight of a value is left at the next */

/* All zero: no value yet. */
struct spread {
	double weight; /* of all values, a new one being 1 */
	double mean;
	double variance;
};

/* Take the next value into account. */
static inline void spread_add(struct spread *spread, double value)
{
	double share, difference;

	spread->weight = spread->weight * SPREAD_MEMORY + 1;
	share = 1 / spread->weight;
	difference = value - spread->mean;
	spread->mean += share * difference;
	spread->variance = (1 - share) * (spread->variance + share * difference * difference);
}

/* Of one value that is still to come, over the square of the mean; 1 when one value says nothing. */
static inline double spread_relative_variance(const struct spread *spread)
{
	if (spread->weight < 1.5 || !(spread->mean > 0))
		return 1;
	return spread->variance * spread->weight / (spread->weight - 1) /
	       (spread->mean * spread->mean);
}

#endif
