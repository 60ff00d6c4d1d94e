/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/request.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/text.h"
#include "daemon/core/protocol/method.h"
#include "daemon/core/protocol/session.h"

#define MAX_LOGGED_BYTES 256 /* of the parameters, in the log */

enum request_state {
	REQUEST_STARTED, /* the handler has not said yet how it answers */
	REQUEST_WAITING,
	REQUEST_STREAMING,
	REQUEST_SUBSCRIBED,
	REQUEST_FINISHED,
};

struct request {
	struct session *session;
	const struct method *method;
	json_t *id;
	json_t *parameters; /* as the client gave them */
	enum request_state state;
	bool in_handler; /* whoever called the handler frees it */

	request_cancelled *cancelled;
	void *cancelled_state;

	const struct request_source *source;
	void *source_state;
	uint64_t streamed_bytes;
};

static void request_free(struct request *request)
{
	if (request->source)
		request->source->free(request->source_state);
	json_decref(request->id);
	json_decref(request->parameters);
	free(request);
}

#define _cleanup_json_ _cleanup_(json_decrefp)

/* --- the log ------------------------------------------------------------------------------ */

/* Quoted and escaped, so that a name cannot look like another key. Owned (free). */
static char *quote(const char *text)
{
	_cleanup_free_ char *clean = text_copy_utf8(text, strlen(text));
	_cleanup_json_ json_t *string = json_string(clean);

	return json_dumps(string, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
}

/* One line about a request that changes something or that was refused. */
static void audit(const struct request *request, const char *outcome, const char *detail)
{
	const struct access_peer *peer = &request->session->peer;
	_cleanup_free_ char *comm = quote(peer->comm);
	_cleanup_free_ char *parameters =
		json_dumps(request->parameters, JSON_COMPACT | JSON_ENSURE_ASCII);

	log_info("request %s: method=%s uid=%u gid=%u pid=%d comm=%s level=%s%s%s params=%.*s",
		 outcome, request->method->name, (unsigned int)peer->uid, (unsigned int)peer->gid,
		 (int)peer->pid, comm, access_level_name(peer->level), *detail ? " " : "", detail,
		 MAX_LOGGED_BYTES, parameters);
}

static void audit_control(const struct request *request, const char *outcome, const char *detail)
{
	if (request->method->is_control)
		audit(request, outcome, detail);
}

/* --- answers ------------------------------------------------------------------------------ */

static void send_error(struct session *session, json_t *id, enum protocol_error error,
		       const char *message)
{
	session_send(session, json_pack("{s:O, s:{s:i, s:s, s:s}}", "id", id, "error", "code",
					protocol_error_code(error), "name",
					protocol_error_name(error), "message", message));
}

/* The request has been answered; it is freed now, or when its handler returns. */
static void finish(struct request *request)
{
	request->state = REQUEST_FINISHED;
	if (request->in_handler)
		return;
	session_remove_request(request->session, request);
	request_free(request);
}

static void fail(struct request *request, enum protocol_error error, const char *message)
{
	_cleanup_free_ char *clean = text_copy_utf8(message, strlen(message));

	send_error(request->session, request->id, error, clean);
	finish(request);
}

void request_error(struct request *request, enum protocol_error error, const char *format, ...)
{
	char message[METHOD_MESSAGE_BYTES];
	char detail[64];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	snprintf(detail, sizeof(detail), "error=%s", protocol_error_name(error));
	audit_control(request, "failed", detail);
	fail(request, error, message);
}

void request_refuse(struct request *request, enum access_rule rule, const char *subject)
{
	char message[METHOD_MESSAGE_BYTES];
	char detail[64];

	snprintf(message, sizeof(message), "%s: not permitted by the rule %s: %s", subject,
		 access_rule_name(rule), access_rule_text(rule));
	snprintf(detail, sizeof(detail), "rule=%s", access_rule_name(rule));
	audit(request, "refused", detail);
	fail(request, ERROR_NOT_PERMITTED, message);
}

/* Non-zero when there is a result; otherwise the request has been answered with an error. */
static int check_result(struct request *request, const json_t *result)
{
	if (result)
		return 1;
	log_error("an answer could not be made: method=%s", request->method->name);
	request_error(request, ERROR_FAILED, "the answer could not be made; this is a defect");
	return 0;
}

static void send_result(struct request *request, json_t *result)
{
	session_send(request->session,
		     json_pack("{s:O, s:o}", "id", request->id, "result", result));
}

void request_result(struct request *request, json_t *result)
{
	if (!check_result(request, result))
		return;
	audit_control(request, "done", "");
	send_result(request, result);
	finish(request);
}

void request_wait(struct request *request, request_cancelled *cancelled, void *state)
{
	request->state = REQUEST_WAITING;
	request->cancelled = cancelled;
	request->cancelled_state = state;
}

void request_subscribe(struct request *request, json_t *result, request_cancelled *cancelled,
		       void *state)
{
	if (!check_result(request, result))
		return;
	audit_control(request, "done", "");
	send_result(request, result);
	request->state = REQUEST_SUBSCRIBED;
	request->cancelled = cancelled;
	request->cancelled_state = state;
}

void request_event(struct request *request, json_t *event)
{
	struct evbuffer *output = request->session->output;

	if (!event)
		return;
	if (evbuffer_get_length(output) >= REQUEST_MAX_UNSENT_BYTES) {
		json_decref(event);
		session_drop(request->session);
		return;
	}
	session_send(request->session, json_pack("{s:O, s:o}", "id", request->id, "event", event));
}

void request_end(struct request *request)
{
	session_send(request->session, json_pack("{s:O, s:b}", "id", request->id, "end", 1));
	finish(request);
}

/* --- streams ------------------------------------------------------------------------------ */

void request_stream(struct request *request, const char *type, const struct request_source *source,
		    void *state)
{
	audit_control(request, "done", "");
	request->cancelled = NULL;
	request->source = source;
	request->source_state = state;
	request->state = REQUEST_STREAMING;
	session_send(request->session,
		     json_pack("{s:O, s:{s:s}}", "id", request->id, "stream", "type", type));
}

static int read_buffer(void *state, struct evbuffer *out)
{
	struct evbuffer *content = state;

	evbuffer_remove_buffer(content, out, PROTOCOL_CHUNK_BYTES);
	return evbuffer_get_length(content) > 0;
}

static void free_buffer(void *state)
{
	evbuffer_free(state);
}

void request_stream_buffer(struct request *request, const char *type, struct evbuffer *content)
{
	static const struct request_source buffer_source = {read_buffer, free_buffer};

	request_stream(request, type, &buffer_source, content);
}

int request_is_stream(const struct request *request)
{
	return request->state == REQUEST_STREAMING;
}

void request_continue(struct request *request)
{
	struct session *session = request->session;
	struct evbuffer *piece = evbuffer_new();
	int more = request->source->read(request->source_state, piece);
	size_t size = evbuffer_get_length(piece);

	if (size) {
		session_send(session,
			     json_pack("{s:O, s:I}", "id", request->id, "chunk", (json_int_t)size));
		evbuffer_add_buffer(session->output, piece);
		request->streamed_bytes += size;
	}
	evbuffer_free(piece);
	if (more > 0 && !size)
		more = -EIO; /* the source promised bytes and gave none */
	if (more > 0)
		return;
	if (more < 0) {
		char message[METHOD_MESSAGE_BYTES];

		snprintf(message, sizeof(message), "the stream broke off: %s", strerror(-more));
		fail(request, ERROR_FAILED, message);
		return;
	}
	session_send(session, json_pack("{s:O, s:b, s:I}", "id", request->id, "end", 1, "bytes",
					(json_int_t)request->streamed_bytes));
	finish(request);
}

/* --- what handlers ask -------------------------------------------------------------------- */

const struct access_peer *request_peer(const struct request *request)
{
	return &request->session->peer;
}

const char *request_method(const struct request *request)
{
	return request->method->name;
}

bool request_has(const struct request *request, const char *name)
{
	return json_object_get(request->parameters, name) != NULL;
}

json_t *request_value(const struct request *request, const char *name)
{
	json_t *value = json_object_get(request->parameters, name);

	return value ? value : method_fallback(request->session->methods, request->method, name);
}

int64_t request_integer(const struct request *request, const char *name)
{
	return json_integer_value(request_value(request, name));
}

double request_number(const struct request *request, const char *name)
{
	return json_number_value(request_value(request, name));
}

bool request_boolean(const struct request *request, const char *name)
{
	return json_boolean_value(request_value(request, name));
}

const char *request_string(const struct request *request, const char *name)
{
	return json_string_value(request_value(request, name));
}

size_t request_count(const struct request *request, const char *name)
{
	return json_array_size(request_value(request, name));
}

const char *request_item(const struct request *request, const char *name, size_t index)
{
	return json_string_value(json_array_get(request_value(request, name), index));
}

/* --- beginning and end -------------------------------------------------------------------- */

static struct request *find_running(const struct session *session, const json_t *id,
				    const struct request *except)
{
	for (size_t i = 0; i < session->request_count; i++)
		if (session->requests[i] != except && json_equal(session->requests[i]->id, id))
			return session->requests[i];
	return NULL;
}

/* Tell the handler of a request that goes on that it is over. */
static void tell_cancelled(struct request *request)
{
	if (request->cancelled)
		request->cancelled(request, request->cancelled_state);
}

void request_abandon(struct request *request)
{
	if (request->state == REQUEST_WAITING)
		audit_control(request, "abandoned", "");
	tell_cancelled(request);
	finish(request);
}

static void answer_describe(struct request *request, void *context)
{
	(void)context;
	request_result(request, method_table_describe(request->session->methods));
}

static void answer_cancel(struct request *request, void *context)
{
	struct request *other =
		find_running(request->session, request_value(request, "request"), request);

	(void)context;
	if (!other) {
		request_error(request, ERROR_NO_SUCH_REQUEST,
			      "no request with this id is running on this connection");
		return;
	}
	tell_cancelled(other);
	if (other->state == REQUEST_SUBSCRIBED)
		request_end(other);
	else
		request_error(other, ERROR_CANCELLED, "cancelled");
	request_result(request, json_pack("{s:b}", "cancelled", 1));
}

static const struct parameter cancel_parameters[] = {
	{
		.name = "request",
		.type = PARAMETER_ANY,
		.required = true,
		.summary = "the id of the request to end, of this connection",
	},
};

static const struct method own_methods[] = {
	{
		.name = "describe",
		.summary = "tell every method and what it takes",
		.handler = answer_describe,
	},
	{
		.name = "cancel",
		.summary = "end a subscription or a request that is still running",
		.handler = answer_cancel,
		.parameters = cancel_parameters,
		.parameter_count = ARRAY_SIZE(cancel_parameters),
	},
};

struct method_table *request_methods_new(const struct method *methods, size_t count, void *context)
{
	struct method_table *table = method_table_new(context);

	method_table_add(table, own_methods, ARRAY_SIZE(own_methods));
	method_table_add(table, methods, count);
	return table;
}

void request_reject(struct session *session, enum protocol_error error, const char *message)
{
	_cleanup_json_ json_t *id = json_null();

	send_error(session, id, error, message);
}

static int is_valid_json(enum json_error_code code)
{
	return code == json_error_duplicate_key || code == json_error_numeric_overflow ||
	       code == json_error_stack_overflow;
}

/* What is wrong with a line that jansson refused. */
static int reject_line(struct session *session, const json_error_t *error)
{
	enum json_error_code code = json_error_code(error);
	_cleanup_free_ char *text = text_copy_utf8(error->text, strlen(error->text));
	_cleanup_free_ char *message = NULL;

	if (is_valid_json(code)) {
		message = memory_format("the request cannot be read: %s (column %d)", text,
					error->column);
		request_reject(session, ERROR_BAD_REQUEST, message);
		return 0;
	}
	message = memory_format("the line is no JSON: %s (column %d)", text, error->column);
	request_reject(session, ERROR_NOT_JSON, message);
	return -EPROTO;
}

/* Check the envelope; NULL when it is right, else what is wrong with it. Owned (free). */
static char *check_envelope(const struct session *session, json_t *envelope)
{
	const json_t *id = json_object_get(envelope, "id");
	const json_t *parameters = json_object_get(envelope, "params");
	const char *name;
	json_t *value;

	if (!json_is_object(envelope))
		return memory_format("a request is an object, like "
				     "{\"id\":1,\"method\":\"describe\"}");
	json_object_foreach(envelope, name, value)
	{
		if (strcmp(name, "id") && strcmp(name, "method") && strcmp(name, "params"))
			return memory_format("a request has the members id, method and params, "
					     "not \"%.64s\"",
					     name);
	}
	if (!json_is_string(json_object_get(envelope, "method")))
		return memory_format("\"method\" must be the name of a method; \"describe\" tells "
				     "them all");
	if (parameters && !json_is_object(parameters))
		return memory_format("\"params\" must be an object");
	if (id && !json_is_null(id) && find_running(session, id, NULL))
		return memory_format("a request with this id is still running");
	return NULL;
}

/* Call the handler and see what it made of the request. */
static void run(struct request *request)
{
	void *context = method_table_context(request->session->methods);

	request->in_handler = true;
	request->method->handler(request, context);
	if (request->state == REQUEST_STARTED) {
		log_error("a request was not answered: method=%s", request->method->name);
		request_error(request, ERROR_FAILED, "there is no answer; this is a defect");
	}
	request->in_handler = false;
	if (request->state == REQUEST_FINISHED)
		finish(request);
}

/* Check method, parameters and rights, and run the request or refuse it. */
static void admit(struct session *session, json_t *envelope, json_t *id)
{
	const char *name = json_string_value(json_object_get(envelope, "method"));
	const struct method *method = method_find(session->methods, name);
	json_t *parameters = json_object_get(envelope, "params");
	char message[METHOD_MESSAGE_BYTES];
	enum protocol_error error;

	if (!method) {
		_cleanup_free_ char *sentence = memory_format(
			"there is no method \"%.64s\"; \"describe\" tells them all", name);
		_cleanup_free_ char *clean = text_copy_utf8(sentence, strlen(sentence));

		send_error(session, id, ERROR_UNKNOWN_METHOD, clean);
		return;
	}
	struct request *request = memory_new(sizeof(*request));
	request->session = session;
	request->method = method;
	request->id = json_incref(id);
	request->parameters = parameters ? json_incref(parameters) : json_object();
	session_add_request(session, request);
	if (method_check(method, request->parameters, &error, message) < 0) {
		request_error(request, error, "%s", message);
		return;
	}
	enum access_rule rule = method_judge(method, request->parameters, &session->peer);
	if (rule == ACCESS_ALLOWED)
		run(request);
	else
		request_refuse(request, rule, method->name);
}

int request_start(struct session *session, const char *line, size_t length)
{
	json_error_t error;
	_cleanup_json_ json_t *envelope = json_loadb(
		line, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	if (!envelope)
		return reject_line(session, &error);
	json_t *given = json_object_get(envelope, "id");
	_cleanup_json_ json_t *id = given ? json_incref(given) : json_null();
	_cleanup_free_ char *wrong = check_envelope(session, envelope);
	if (wrong) {
		_cleanup_free_ char *clean = text_copy_utf8(wrong, strlen(wrong));

		send_error(session, id, ERROR_BAD_REQUEST, clean);
		return 0;
	}
	admit(session, envelope, id);
	return 0;
}
