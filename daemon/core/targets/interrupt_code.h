/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the kernel's code for interrupts is, for the kernel programs: a stack that passes through it
 * is an interrupt's, and the thread that runs there has nothing to do with it.
 */
#ifndef FLAME_DAEMON_CORE_TARGETS_INTERRUPT_CODE_H
#define FLAME_DAEMON_CORE_TARGETS_INTERRUPT_CODE_H

#include "bpf/record.h"

struct broker_client;
struct kallsyms;
struct sampler;

/* Find the ranges among the symbols; what is not there is left empty. */
void interrupt_code_read(const struct kallsyms *symbols,
			 struct code_range ranges[INTERRUPT_RANGES]);

/*
 * Have the symbols opened by the broker, and put the ranges into the settings once they are read.
 * Until then only what interrupts user mode or an idle CPU is told apart. Both are borrowed.
 */
void interrupt_code_find(struct broker_client *broker, struct sampler *sampler);

#endif
