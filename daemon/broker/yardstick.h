/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process that costs are measured on: it does what a kernel program hooks, over and over, and
 * tells how much CPU time that takes, so that the core can ask before and after the hooks are
 * attached. Without rights, like the readers; lives for as long as the core holds its socket.
 */
#ifndef FLAME_DAEMON_BROKER_YARDSTICK_H
#define FLAME_DAEMON_BROKER_YARDSTICK_H

/* Answer requests on socket until its other end is closed. Returns an exit status. */
int yardstick_main(int socket);

#endif
