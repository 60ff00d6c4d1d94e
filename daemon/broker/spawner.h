/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that elf readers are forked from. It is made before anything is loaded or opened, has
 * no right and knows no secret, and does nothing else: so the broker needs no right to change users
 * while it runs, and a reader inherits nothing worth stealing. It ends with the broker.
 */
#ifndef FLAME_DAEMON_BROKER_SPAWNER_H
#define FLAME_DAEMON_BROKER_SPAWNER_H

#include <sys/types.h>

#include "common/memory.h"

struct privileges_user;

struct spawner {
	pid_t pid;
	int socket;
};

/* Fork the spawner, which becomes user. */
must_check int spawner_start(const struct privileges_user *user, struct spawner *spawner);

/*
 * Have a new reader started; the one before is killed. *fd is the core's end of the socket pair to
 * it: Owned.
 */
must_check int spawner_request(const struct spawner *spawner, int *fd);

#endif
