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

#endif
