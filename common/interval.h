/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 95 % interval of a sum that was partly measured and partly estimated from a sample: what was
 * measured is certain, the rest is taken as a weighted Poisson sum, whose interval follows the gamma
 * distribution. It is not symmetric, and right for few samples too, where a normal one is not.
 */
#ifndef FLAME_COMMON_INTERVAL_H
#define FLAME_COMMON_INTERVAL_H

struct interval {
	double low;
	double high;
};

/*
 * The interval of weight, of which certain was measured; variance is that of the rest, largest the
 * largest weight of one sample in it (what one more sample could have added). All in one unit.
 */
struct interval interval_of(double weight, double certain, double variance, double largest);

/* A sum of rows of a profile, as interval_of() takes it; certain and largest 0: only sampled. */
struct interval_sum {
	double weight;
	double certain;
	double variance;
	double largest;
};

/* Add row to sum. */
void interval_sum_add(struct interval_sum *sum, const struct interval_sum *row);

/*
 * The 95 % interval of the share that part has in whole, as fractions. Where a part of the whole was
 * measured, the whole is known and the part's own interval counts; where everything was sampled,
 * part and whole vary together.
 */
struct interval interval_of_share(const struct interval_sum *part,
				  const struct interval_sum *whole);

#endif
