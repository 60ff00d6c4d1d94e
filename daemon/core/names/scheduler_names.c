/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/names/scheduler_names.h"

#include <stddef.h>
#include <string.h>

#include "common/memory.h"

/* Those who wait for locks of the kernel stay: they tell what for. */
static const char *const names[] = {
	"schedule",
	"__schedule",
	"preempt_schedule_common",
	"schedule_timeout",
	"schedule_hrtimeout_range",
	"schedule_hrtimeout_range_clock",
	"schedule_preempt_disabled",
	"io_schedule",
	"io_schedule_timeout",
	"do_nanosleep",
	"__traceiter_sched_switch",
	"__traceiter_sched_waking",
};

int scheduler_names_has(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return 1;
	return 0;
}
