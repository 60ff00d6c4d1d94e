/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the CPU time in the windows of a process was its own: most of it may have gone to the
 * probes, whose cost is known to a few percent. So there are bounds, and they are wide for a program
 * that does little else than allocate: what is left is a small difference of large numbers.
 *
 * A process that has time to spare is not slowed down by probes: it uses more CPU time in a window
 * than it usually does, by what they cost, and gets on as it does elsewhere. Then nothing is in doubt.
 * Windows count for less as they grow old. Arithmetic alone.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_DILATION_H
#define FLAME_DAEMON_CORE_HEAP_DILATION_H

#include "daemon/core/heap/spread.h"

/* One window. Units: ns. */
struct dilation_window {
	double usual_ns; /* CPU time that the process uses in as much time outside of windows */
	double cpu_ns;   /* that it used */
	double cost_ns;  /* of the probes */
	double hits;
};

/* All zero: no window yet. */
struct dilation {
	struct dilation_window sum;
	struct spread spacing; /* CPU time from hit to hit, from window to window */
};

/* The process's own CPU time in the windows, and where it lies for sure. Units: ns. */
struct dilation_own {
	double low;
	double best;
	double high;
};

/* Take the next window into account. */
void dilation_add(struct dilation *dilation, const struct dilation_window *window);

/*
 * Tell what there is of the process's own time. least_ns: no program needs less from one hit to the next; cost_error: how far the cost of a hit in
 * this process may be from what it was taken for, as a share.
 */
struct dilation_own dilation_own(const struct dilation *dilation, double least_ns,
				 double cost_error);

#endif
