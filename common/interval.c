/* SPDX-License-Identifier: Apache-2.0 */
#include "common/interval.h"

#include <math.h>

#define NORMAL_975 1.959964 /* quantile of the normal distribution */

/* A quantile of the chi-squared distribution, by Wilson and Hilferty; z is the normal one. */
static double chi_squared(double z, double freedom)
{
	double step = 2 / (9 * freedom);
	double root = 1 - step + z * sqrt(step);

	return root > 0 ? freedom * root * root * root : 0;
}

/* The same quantile of a gamma distribution of that mean and variance. */
static double gamma_quantile(double z, double mean, double variance)
{
	return variance / (2 * mean) * chi_squared(z, 2 * mean * mean / variance);
}

struct interval interval_of(double weight, double certain, double variance, double largest)
{
	double rest = weight - certain;
	struct interval interval = {weight, weight};

	if (rest <= 0 || variance <= 0)
		return interval;
	interval.low = certain + gamma_quantile(-NORMAL_975, rest, variance);
	interval.high =
		certain + gamma_quantile(NORMAL_975, rest + largest, variance + largest * largest);
	return interval;
}

void interval_sum_add(struct interval_sum *sum, const struct interval_sum *row)
{
	sum->weight += row->weight;
	sum->certain += row->certain;
	sum->variance += row->variance;
	sum->largest = fmax(sum->largest, row->largest);
}

struct interval interval_of_share(const struct interval_sum *part, const struct interval_sum *whole)
{
	double share = whole->weight > 0 ? part->weight / whole->weight : 0;
	struct interval interval = {share, share};

	if (!(whole->weight > 0))
		return interval;
	if (whole->certain > 0 || whole->largest > 0) {
		interval = interval_of(part->weight, part->certain, part->variance, part->largest);
		interval.low /= whole->weight;
		interval.high /= whole->weight;
		return interval;
	}
	/* p = A / (A + B) to first order, A and B independent. */
	double rest = fmax(0, whole->variance - part->variance);
	double deviation = sqrt((1 - share) * (1 - share) * part->variance + share * share * rest) /
			   whole->weight;
	interval.low -= NORMAL_975 * deviation;
	interval.high += NORMAL_975 * deviation;
	return interval;
}
