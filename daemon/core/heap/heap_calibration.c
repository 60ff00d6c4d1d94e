/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/heap/heap_calibration.h"

#include <math.h>

#include "common/clock.h"
#include "common/log.h"
#include "daemon/core/workers/prober_client.h"

/* Traps on a virtual machine of 2026. */
static const struct heap_costs constants = {.entry_ns = 650,
					    .pair_ns = 950,
					    .free_ns = 700,
					    .dear_ns = 20000,
					    .walk_ns = 2000,
					    .error = 0.3,
					    .least_ns = 5};

/* Of the time that a small block takes: no program does less from one allocation to the next. */
#define LEAST_SHARE 0.5

#define AGAIN_NS    (10 * NS_PER_SECOND)
#define SHARE       0.4  /* of a later measurement */
#define LEAST_ERROR 0.05 /* a process's caches are not those of who measures */

void heap_calibration_init(struct heap_calibration *calibration)
{
	*calibration = (struct heap_calibration){.costs = constants};
}

/* Move towards what was measured, all of the way at the first time. */
static void learn(double *known, double measured, double share)
{
	*known += share * (measured - *known);
}

static void take(struct heap_calibration *calibration, const struct prober_costs *measured)
{
	struct heap_costs *costs = &calibration->costs;
	double share = calibration->count ? SHARE : 1;
	double off = calibration->count ? fabs(measured->entry_ns / costs->entry_ns - 1) : 0;

	learn(&costs->error, LEAST_ERROR + off, share);
	learn(&costs->entry_ns, measured->entry_ns, share);
	learn(&costs->pair_ns, measured->pair_ns, share);
	learn(&costs->free_ns, measured->free_ns, share);
	learn(&costs->dear_ns, measured->dear_ns, share);
	/* The fastest that was seen. */
	if (!calibration->count || LEAST_SHARE * measured->native_ns < costs->least_ns)
		costs->least_ns = LEAST_SHARE * measured->native_ns;
	calibration->count++;
	calibration->measured_ns = clock_boot_ns();
	log_debug("What probes cost was measured: entry_ns=%.0f pair_ns=%.0f free_ns=%.0f "
		  "dear_ns=%.0f native_ns=%.1f",
		  measured->entry_ns, measured->pair_ns, measured->free_ns, measured->dear_ns,
		  measured->native_ns);
}

static void on_costs(void *context, int error, const struct prober_reply *reply)
{
	struct heap_calibration *calibration = context;

	calibration->asked = NULL;
	if (error) {
		calibration->state = HEAP_CALIBRATION_FAILED;
		log_warn_errno(error, "What probes cost could not be measured");
	} else if (!reply->costs.is_known) {
		calibration->state = HEAP_CALIBRATION_MISSING;
	} else {
		calibration->state = HEAP_CALIBRATION_DONE;
		take(calibration, &reply->costs);
	}
}

void heap_calibration_ask(struct heap_calibration *calibration, struct prober_client *prober,
			  int is_estimated)
{
	const struct prober_request request = {.type = PROBER_COSTS};

	if (calibration->state == HEAP_CALIBRATION_DONE && is_estimated &&
	    clock_boot_ns() - calibration->measured_ns > AGAIN_NS)
		calibration->state = HEAP_CALIBRATION_MISSING;
	if (calibration->state != HEAP_CALIBRATION_MISSING || !prober ||
	    prober_client_send(prober, &request, -1, on_costs, calibration))
		return;
	calibration->state = HEAP_CALIBRATION_ASKED;
	calibration->asked = prober;
}

void heap_calibration_forget(struct heap_calibration *calibration,
			     const struct prober_client *prober)
{
	if (!prober || calibration->asked != prober)
		return;
	calibration->asked = NULL;
	calibration->state = HEAP_CALIBRATION_MISSING;
}
