/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that talks to debuginfod servers: takes build IDs from the core, one at a time, and
 * answers with debug files (fetch_message.h). It has no capability, may start no program, may write
 * to the cache alone, and reads of what it fetches four bytes. Forked by the spawner on request.
 */
#ifndef FLAME_DAEMON_FETCH_FETCHER_H
#define FLAME_DAEMON_FETCH_FETCHER_H

struct fetch_cache;

/* Answer requests that come from socket until its other end is closed; returns the exit status. */
int fetcher_main(int socket, const struct fetch_cache *cache);

#endif
