/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core process: the event loop in which everything unprivileged happens. It is forked by main()
 * before the kernel programs are loaded, holds no capability, and gets every right that it needs
 * as a descriptor from the broker.
 */
#ifndef FLAME_DAEMON_CORE_CORE_H
#define FLAME_DAEMON_CORE_CORE_H

struct options;

/*
 * Run until the broker is gone or SIGTERM comes; returns the exit status. Takes both descriptors:
 * the end of the socket pair to the broker and the listening control socket.
 */
int core_main(int broker_fd, int listen_fd, const struct options *options);

#endif
