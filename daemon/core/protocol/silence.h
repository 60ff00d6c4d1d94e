/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a window holds no samples. An empty answer always names its cause: not attached, stopped,
 * exited, not permitted, aged out, lost, or simply idle.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_SILENCE_H
#define FLAME_DAEMON_CORE_PROTOCOL_SILENCE_H

#include <stdint.h>

struct question;
struct question_sources;

/* One sentence that says why question finds nothing; lost: samples lost in its window. Owned (free). */
char *silence_explain(const struct question_sources *sources, const struct question *question,
		      uint64_t lost);

#endif
