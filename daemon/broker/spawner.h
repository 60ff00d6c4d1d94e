/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that elf readers and fetchers are forked from. It is made before anything is loaded
 * or opened, has no right and knows no secret, and does nothing else: so the broker needs no right
 * to change users while it runs, and what it forks inherits nothing worth stealing. It ends with the
 * broker.
 */
#ifndef FLAME_DAEMON_BROKER_SPAWNER_H
#define FLAME_DAEMON_BROKER_SPAWNER_H

#include <sys/types.h>

#include "common/memory.h"

struct fetch_cache;
struct privileges_user;

struct spawner {
	pid_t pid;
	int socket;
};

/* What can be started; there is at most one of each. */
enum spawn_kind { SPAWN_READER, SPAWN_FETCHER, SPAWN_YARDSTICK, SPAWN_KIND_COUNT };

/* Fork the spawner, which becomes user. cache is for the fetchers; NULL: there are none. */
must_check int spawner_start(const struct privileges_user *user, const struct fetch_cache *cache,
			     struct spawner *spawner);

/*
 * Have a new process of that kind started; the one before is killed. *fd is the core's end of the
 * socket pair to it: Owned.
 */
must_check int spawner_request(const struct spawner *spawner, enum spawn_kind kind, int *fd);

#endif
