/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/measure.h"

#include <string.h>

#include "bpf/record.h"
#include "common/memory.h"

#define BIT(event)  (UINT32_C(1) << (event))
#define OFF_THE_CPU (BIT(EVENT_OFFCPU) | BIT(EVENT_RUNQUEUE))

const char *const measure_names[] = {"cpu", "offcpu", "wall", "fault", "heap", NULL};

static const struct measure measures[] = {
	{.name = "cpu",
	 .rows = BIT(EVENT_CPU),
	 .needs = BIT(EVENT_CPU),
	 .unit = PROFILE_NS,
	 .nothing = "used no CPU time"},
	{.name = "offcpu",
	 .rows = OFF_THE_CPU,
	 .needs = BIT(EVENT_OFFCPU),
	 .unit = PROFILE_NS,
	 .is_reconciled = 1,
	 .source = "sched_switch",
	 .nothing = "never left the CPU"},
	{.name = "wall",
	 .rows = OFF_THE_CPU | BIT(EVENT_CPU),
	 .needs = BIT(EVENT_CPU) | BIT(EVENT_OFFCPU),
	 .unit = PROFILE_NS,
	 .is_reconciled = 1,
	 .source = "sched_switch",
	 .nothing = "was not there"},
	{.name = "fault",
	 .rows = BIT(EVENT_FAULT),
	 .needs = BIT(EVENT_FAULT),
	 .unit = PROFILE_BYTES,
	 .source = "page_fault_user",
	 .nothing = "touched no new page"},
	{.name = "heap",
	 .rows = BIT(EVENT_HEAP),
	 .needs = BIT(EVENT_HEAP),
	 .unit = PROFILE_BYTES,
	 .source = "uprobes",
	 .nothing = "called no function of an allocator that is watched"},
};

const struct measure *measure_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(measures); i++)
		if (strcmp(measures[i].name, name) == 0)
			return &measures[i];
	return NULL;
}
