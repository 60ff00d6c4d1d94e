/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rights of the processes: what flamed must be started with, what the broker keeps, and that
 * the others keep nothing. Each right is listed with what it is for; docs/security.md says more.
 */
#ifndef FLAME_DAEMON_BROKER_PRIVILEGES_H
#define FLAME_DAEMON_BROKER_PRIVILEGES_H

#include <sys/types.h>

#include "common/memory.h"

struct privileges_user {
	const char *name; /* Borrowed (from the argument, or a constant) */
	uid_t uid;
	gid_t gid;
};

/* Non-zero when every right is there; else writes what is missing, and why it is needed. */
int privileges_check(void);

/* Find the user by name, NULL: flamed or nobody. Errors: -ENOENT. */
must_check int privileges_find_user(const char *name, struct privileges_user *user);

/* Become user without any capability, for good; name is shown by ps(1); dies with the parent. */
must_check int privileges_drop_all(const struct privileges_user *user, const char *name);

/*
 * Become user and keep what the broker needs; with has_single_probes what probers need besides, which
 * the broker itself does not use.
 */
must_check int privileges_keep_broker(const struct privileges_user *user, int has_single_probes);

/*
 * In a prober, forked by the broker: keep what probes need alone; name is shown by ps(1). No signal
 * ends it with the broker: it sees the core's end of its socket close. has_single_probes: each probe
 * is a perf event of its own, which takes CAP_SYS_ADMIN.
 */
must_check int privileges_keep_prober(const char *name, int has_single_probes);

#endif
