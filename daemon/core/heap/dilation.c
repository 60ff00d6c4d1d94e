/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/dilation.h"

#include <math.h>

#define MEMORY 0.8 /* of the weight of a window is left at the next */

/* Two standard errors; and of a spacing that one window alone gave, nothing is known. */
#define ERRORS 2
/* Of the cost of probes, the share that has to come out of spare time. */
#define SPARED 0.6

#define FIRST_SPREAD 0.1

static void fade(struct dilation *dilation)
{
	struct dilation_window *sum = &dilation->sum;

	sum->usual_ns *= MEMORY;
	sum->cpu_ns *= MEMORY;
	sum->cost_ns *= MEMORY;
	sum->hits *= MEMORY;
}

void dilation_add(struct dilation *dilation, const struct dilation_window *window)
{
	fade(dilation);
	dilation->sum.usual_ns += window->usual_ns;
	dilation->sum.cpu_ns += window->cpu_ns;
	dilation->sum.cost_ns += window->cost_ns;
	dilation->sum.hits += window->hits;
	if (window->hits >= 1)
		spread_add(&dilation->spacing, window->cpu_ns / window->hits);
}

/* How far the cost of all hits may be off. */
static double error_of(const struct dilation *dilation, double cost_error)
{
	const struct spread *spacing = &dilation->spacing;
	double spread = spacing->weight > 1.5 ? sqrt(spacing->variance / (spacing->weight - 1))
					      : FIRST_SPREAD * spacing->mean;

	return cost_error * dilation->sum.cost_ns + ERRORS * spread * dilation->sum.hits;
}

static double within(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

struct dilation_own dilation_own(const struct dilation *dilation, double least_ns,
				 double cost_error)
{
	const struct dilation_window *sum = &dilation->sum;
	double own_ns = sum->cpu_ns - sum->cost_ns, error_ns = error_of(dilation, cost_error);
	double floor_ns = least_ns * sum->hits;
	/* Nothing gets on faster while it is probed. */
	double most_ns = sum->usual_ns < sum->cpu_ns ? sum->usual_ns : sum->cpu_ns;

	if (floor_ns > most_ns)
		floor_ns = most_ns;
	if (sum->cpu_ns - sum->usual_ns >= SPARED * sum->cost_ns)
		return (struct dilation_own){sum->usual_ns, sum->usual_ns, sum->usual_ns};
	return (struct dilation_own){
		.low = within(own_ns - error_ns, floor_ns, most_ns),
		.best = within(own_ns, floor_ns, most_ns),
		.high = within(own_ns + error_ns, floor_ns, most_ns),
	};
}
