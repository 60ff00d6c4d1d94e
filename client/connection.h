/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's end of the control protocol (docs/protocol.md): one request at a time, waited for.
 * What the daemon sends is bounded: a line by CONNECTION_MAX_LINE_BYTES, a stream by
 * CONNECTION_MAX_STREAM_BYTES.
 */
#ifndef FLAME_CLIENT_CONNECTION_H
#define FLAME_CLIENT_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define CONNECTION_GREETING_S       5   /* that a daemon may take to greet */
#define CONNECTION_SILENCE_S        120 /* … to say nothing while it works on an answer */
#define CONNECTION_MAX_LINE_BYTES   (64u << 20)
#define CONNECTION_MAX_STREAM_BYTES (512u << 20)

struct connection;

/* What came back: exactly one of result, stream and error is set. */
struct answer {
	json_t *result;
	char *stream; /* zero-terminated */
	size_t stream_length;
	char *error; /* the message */
	char *error_name;
};

void answer_fini(struct answer *answer);

/*
 * Connect to the socket at path and read the greeting; from then on the connection may be silent for
 * silence_ms. Owned (connection_close). Errors: those of connect(2); -ECONNRESET it hung up;
 * -ETIMEDOUT it does not greet; -EPROTO what answers is not flamed; -EBUSY flamed turned us away,
 * and -EPROTONOSUPPORT it speaks another version: *message then says more, Owned (free).
 */
must_check int connection_open(const char *path, uint64_t silence_ms,
			       struct connection **connection, char **message);
void connection_close(struct connection *connection);
DEFINE_CLEANUP(connection_close, struct connection)

/*
 * Send a request and wait for the answer, an error included. Takes parameters (NULL: none). The
 * answer is initialised in every case. Errors: -EPIPE the connection broke, -ETIMEDOUT it was silent
 * for too long, -EPROTO the answer makes no sense, -E2BIG it is too large; the connection is of no
 * use then.
 */
must_check int connection_call(struct connection *connection, const char *method,
			       json_t *parameters, struct answer *answer);

#endif
