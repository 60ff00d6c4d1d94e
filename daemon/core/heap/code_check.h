/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a prober found when it compared code with what it was before the first probe: counted, and
 * said aloud when it differs. That happens when another tracer or a debugger, too, wrote into the
 * same functions meanwhile; else it must not.
 */
#ifndef FLAME_DAEMON_CORE_HEAP_CODE_CHECK_H
#define FLAME_DAEMON_CORE_HEAP_CODE_CHECK_H

#include <stdint.h>

struct counters;
struct prober_reply;

/* Take note of the reply of the prober of a process whose probes were all removed. */
void code_check_note(struct counters *counters, uint32_t pid, const struct prober_reply *reply);

#endif
