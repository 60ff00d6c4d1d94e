/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of threads that woke others, as frames: such a name ends the waker's stack where it
 * stands above the sleeper's. Threads name themselves as they like, so only so many names are kept;
 * those that come later share one.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_WAKER_NAMES_H
#define FLAME_DAEMON_CORE_NAMES_WAKER_NAMES_H

#include <stdint.h>

#include "common/cleanup.h"

#define WAKER_NAMES_MAX   4096
#define WAKER_NAMES_OTHER "[other thread]"

struct waker_names;

/* Owned (waker_names_free). */
struct waker_names *waker_names_new(void);
void waker_names_free(struct waker_names *names);
DEFINE_CLEANUP(waker_names_free, struct waker_names)

/* The frame of a name, of RECORD_NAME_BYTES bytes and not always terminated. */
uint64_t waker_names_frame(struct waker_names *names, const char *name);

/* The name in a frame whose module is MODULE_NAME. Borrowed (until the names go). */
const char *waker_names_text(const struct waker_names *names, uint64_t frame);

#endif
