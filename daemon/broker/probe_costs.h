/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe costs on this machine and kernel, by the kind of probe and of instruction: measured by
 * a child of the prober that probes functions of its own with the very programs, in a slot that
 * belongs to no process. It takes some 10 ms of CPU time and runs beside everything else.
 */
#ifndef FLAME_DAEMON_BROKER_PROBE_COSTS_H
#define FLAME_DAEMON_BROKER_PROBE_COSTS_H

#include "bpf/heap_record.h"
#include "common/memory.h"
#include "daemon/broker/prober_message.h"

struct prober_setup;

/*
 * Begin to measure in a child. slots are those of "heap_slots", executable is an open descriptor of
 * the file that this process runs. Returns a descriptor from which one struct prober_costs is read
 * when it is done; it is at its end without one when measuring failed. Owned. Errors: as fork(2).
 */
must_check int probe_costs_begin(const struct prober_setup *setup, struct heap_slot *slots,
				 int executable);

#endif
