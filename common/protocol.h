/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both ends of the control protocol must agree on: limits, errors, names. The protocol itself
 * is described in docs/protocol.md; the server's side of it is in daemon/core/protocol/connection.h,
 * the client's in client/connection.h.
 */
#ifndef FLAME_COMMON_PROTOCOL_H
#define FLAME_COMMON_PROTOCOL_H

#define PROTOCOL_VERSION           1
#define PROTOCOL_MAX_REQUEST_BYTES 65536 /* one line, its newline not counted */
#define PROTOCOL_CHUNK_BYTES       65536 /* of a stream, usually */

#define PROTOCOL_SOCKET_PATH     "/run/flamed/flamed.sock"
#define PROTOCOL_SOCKET_VARIABLE "FLAMED_SOCKET" /* names another path to the client */

/* Limits of parameters. */
#define PROTOCOL_MIN_RATE_HZ      1
#define PROTOCOL_MAX_RATE_HZ      4999
#define PROTOCOL_DEFAULT_LAST_MS  30000
#define PROTOCOL_MAX_TARGETS      256         /* named in one request */
#define PROTOCOL_MAX_DURATION_MS  31622400000 /* a leap year */
#define PROTOCOL_MAX_TARGET_BYTES 4096        /* of a glob or a cgroup path */

/* Why a request failed. Names and codes are in docs/protocol.md. */
enum protocol_error {
	ERROR_NOT_JSON,
	ERROR_BAD_REQUEST,
	ERROR_REQUEST_TOO_LONG,
	ERROR_UNKNOWN_METHOD,
	ERROR_BAD_PARAMETER,
	ERROR_UNKNOWN_PARAMETER,
	ERROR_FAILED,
	ERROR_NO_SUCH_TARGET,
	ERROR_NO_SUCH_PROCESS,
	ERROR_NO_SUCH_REQUEST,
	ERROR_NOT_PERMITTED,
	ERROR_NO_SAMPLES,
	ERROR_KERNEL_THREAD,
	ERROR_IS_FLAMED,
	ERROR_BUSY,
	ERROR_CANCELLED,
	PROTOCOL_ERROR_COUNT
};

/* "no-such-target" */
const char *protocol_error_name(enum protocol_error error);

/* -32001; several errors may share a code. */
int protocol_error_code(enum protocol_error error);

#endif
