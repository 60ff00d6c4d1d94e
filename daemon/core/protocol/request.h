/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of the control protocol, from its line to its answer. A handler (method.h) gets it
 * when the method is known, the parameters are checked and the peer may call it. It answers exactly
 * once, in one of four ways:
 *
 *	at once		request_result(), request_error() or request_refuse()
 *	later		request_wait() now, one of the above from another callback
 *	at length	request_stream() or request_stream_buffer(): bytes, as the client takes them
 *	again and again	request_subscribe() now, request_event() from other callbacks
 *
 * A request belongs to its connection. The pointer is valid until it is answered; one that waits,
 * streams or is subscribed also ends when the connection goes or the client cancels it, and the
 * callback that was given is then the last that is heard of it.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_REQUEST_H
#define FLAME_DAEMON_CORE_PROTOCOL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "common/memory.h"
#include "common/protocol.h"
#include "daemon/core/processes/access.h"

/* Unsent bytes beyond which a client counts as too slow for events. */
#define REQUEST_MAX_UNSENT_BYTES (1024 * 1024)

struct evbuffer;
struct method;
struct method_table;
struct request;
struct session;

/*
 * Make the table of all methods: those given and the machinery's own, describe and cancel. methods
 * is borrowed (valid until the table goes), context goes to their handlers; aborts when they
 * contradict themselves. Owned (method_table_free).
 */
struct method_table *request_methods_new(const struct method *methods, size_t count, void *context);

/* The request is over; it must not be answered any more. */
typedef void request_cancelled(struct request *request, void *state);

/* Where the bytes of a stream come from. */
struct request_source {
	/*
	 * Append the next piece to out, best some 64 KiB, at least a byte unless it is the end.
	 * Returns 1 (there is more), 0 (that was all) or a negative errno, which ends the stream
	 * with an error.
	 */
	int (*read)(void *state, struct evbuffer *out);
	/* Release state; called once, whatever became of the stream. */
	void (*free)(void *state);
};

/* Who asks. Borrowed (valid as the request). */
const struct access_peer *request_peer(const struct request *request);

/* Name of the method. Borrowed (static text). */
const char *request_method(const struct request *request);

/*
 * Parameters by name: what the client gave, else the fallback of the table, else 0, false, NULL.
 * Text and values are borrowed (valid as the request). request_has() tells what the client gave.
 */
bool request_has(const struct request *request, const char *name);
int64_t request_integer(const struct request *request, const char *name);
double request_number(const struct request *request, const char *name);
bool request_boolean(const struct request *request, const char *name);
const char *request_string(const struct request *request, const char *name);
json_t *request_value(const struct request *request, const char *name);

/* The elements of a parameter that is an array of strings. */
size_t request_count(const struct request *request, const char *name);
const char *request_item(const struct request *request, const char *name, size_t index);

/* Answer with a result. Takes result; NULL (text that was not UTF-8) is answered as an error. */
void request_result(struct request *request, json_t *result);

/* Answer with an error: one sentence without full stop, what is wrong and what to do. */
void request_error(struct request *request, enum protocol_error error, const char *format, ...)
	format_printf(3, 4);

/* Answer that the rule does not permit it; subject says what: "process 1234". */
void request_refuse(struct request *request, enum access_rule rule, const char *subject);

/* Answer later. cancelled may be NULL when nothing needs to be stopped. */
void request_wait(struct request *request, request_cancelled *cancelled, void *state);

/* Answer with the bytes of a source. Takes state (released with source->free). */
void request_stream(struct request *request, const char *type, const struct request_source *source,
		    void *state);

/* Answer with bytes that are all there already. Takes content. */
void request_stream_buffer(struct request *request, const char *type, struct evbuffer *content);

/* Answer with result and go on with events. Takes result. */
void request_subscribe(struct request *request, json_t *result, request_cancelled *cancelled,
		       void *state);

/*
 * Send an event to a subscription. A client that is too slow to take them loses its connection
 * (not during this call). Takes event.
 */
void request_event(struct request *request, json_t *event);

/* End a subscription from our side; cancelled is not called. */
void request_end(struct request *request);

/* --- for the connection ------------------------------------------------------------------ */

/*
 * Read a line of length bytes as a request of the session and answer it or have it answered.
 * Returns 0, or -EPROTO when the line was so wrong that the connection should be closed.
 */
must_check int request_start(struct session *session, const char *line, size_t length);

/* Send the next piece of a stream. */
void request_continue(struct request *request);

/* Non-zero when the request is a stream that has more to send. */
int request_is_stream(const struct request *request);

/* End a request because its connection goes: nothing is written. */
void request_abandon(struct request *request);

/* Send an error that belongs to no request; message is UTF-8. */
void request_reject(struct session *session, enum protocol_error error, const char *message);

#endif
