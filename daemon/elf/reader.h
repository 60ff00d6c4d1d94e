/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The elf reader: the process that looks into hostile files. It is forked by the broker, which has
 * taken every right from it, and answers the core's requests (reader_message.h) until the other end
 * of the socket is closed. A file that makes it crash costs the answer to that request and nothing
 * else: it has nothing to lose and cannot reach anything (sandbox.h).
 */
#ifndef FLAME_DAEMON_ELF_READER_H
#define FLAME_DAEMON_ELF_READER_H

/*
 * Confine this process for good and serve requests from the SOCK_SEQPACKET fd. Returns the exit
 * status: 0 when the other end was closed, 1 when the process could not be confined.
 */
int reader_main(int fd);

#endif
