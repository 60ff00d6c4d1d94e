/* SPDX-License-Identifier: Apache-2.0 */
#include "client/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/protocol.h"

struct connection {
	int fd;
	FILE *input; /* owns fd */
	char *line;  /* the last one read */
	size_t line_capacity;
	json_int_t last_id;
};

void answer_fini(struct answer *answer)
{
	json_decref(answer->result);
	free(answer->stream);
	free(answer->error);
	free(answer->error_name);
	*answer = (struct answer){0};
}

/* --- lines -------------------------------------------------------------------------------- */

/* Why nothing more came. */
static int end_error(const struct connection *connection)
{
	return ferror(connection->input) && errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
}

/* Read up to the newline, which is left out. Returns the length. */
static ssize_t read_line(struct connection *connection)
{
	size_t length = 0;
	int character;

	while ((character = getc_unlocked(connection->input)) != '\n') {
		if (character == EOF)
			return end_error(connection);
		if (length == CONNECTION_MAX_LINE_BYTES)
			return -E2BIG;
		connection->line =
			memory_grow(connection->line, &connection->line_capacity, length + 1, 1);
		connection->line[length++] = (char)character;
	}
	return (ssize_t)length;
}

/* Read a line of JSON. *message is Owned (json_decref). */
static int read_message(struct connection *connection, json_t **message)
{
	ssize_t length = read_line(connection);

	if (length < 0)
		return (int)length;
	*message = json_loadb(connection->line, (size_t)length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(*message)) {
		json_decref(*message);
		return -EPROTO;
	}
	return 0;
}

static int send_message(struct connection *connection, json_t *message)
{
	_cleanup_free_ char *text = json_dumps(message, JSON_COMPACT);
	_cleanup_free_ char *line = text ? memory_format("%s\n", text) : NULL;
	size_t length = line ? strlen(line) : 0;

	if (!line)
		return -EPROTO;
	for (size_t sent = 0; sent < length;) {
		ssize_t count = send(connection->fd, line + sent, length - sent, MSG_NOSIGNAL);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
		sent += (size_t)count;
	}
	return 0;
}

static char *copy_member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? memory_copy_text(text, strlen(text)) : NULL;
}

/* Give up after timeout_ms without progress. */
static void set_timeout(int fd, uint64_t timeout_ms)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ms / 1000),
		.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000),
	};

	/* On a UNIX socket the one for sending is also that of connect(2). */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

/* --- greeting ----------------------------------------------------------------------------- */

static int read_greeting(struct connection *connection, char **message)
{
	json_t *greeting;
	int error = read_message(connection, &greeting);

	if (error)
		return error == -EPIPE ? -ECONNRESET : error == -ETIMEDOUT ? error : -EPROTO;
	const json_t *flamed = json_object_get(greeting, "flamed");
	const json_t *refusal = json_object_get(greeting, "error");
	json_int_t version = json_integer_value(json_object_get(flamed, "protocol"));

	if (refusal) {
		*message = copy_member(refusal, "message");
		error = -EBUSY;
	} else if (!flamed) {
		error = -EPROTO;
	} else if (version != PROTOCOL_VERSION) {
		*message = memory_format("it speaks version %lld of the protocol, and this "
					 "flamectl version %d",
					 (long long)version, PROTOCOL_VERSION);
		error = -EPROTONOSUPPORT;
	}
	json_decref(greeting);
	return error;
}

int connection_open(const char *path, uint64_t silence_ms, struct connection **result,
		    char **message)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*message = NULL;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set_timeout(fd, CONNECTION_GREETING_S * 1000);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	_cleanup_(connection_closep) struct connection *connection =
		memory_new(sizeof(*connection));
	connection->fd = fd;
	connection->input = fdopen(fd, "r");
	if (!connection->input)
		return -errno;
	steal_fd(&fd);
	int error = read_greeting(connection, message);
	if (error)
		return error;
	set_timeout(connection->fd, silence_ms);
	*result = steal_ptr(&connection);
	return 0;
}

void connection_close(struct connection *connection)
{
	if (!connection)
		return;
	if (connection->input)
		fclose(connection->input);
	free(connection->line);
	free(connection);
}

/* --- requests ----------------------------------------------------------------------------- */

static int read_chunk(struct connection *connection, json_int_t size, struct answer *answer)
{
	if (size <= 0 || !answer->stream)
		return -EPROTO;
	if ((json_int_t)answer->stream_length + size > (json_int_t)CONNECTION_MAX_STREAM_BYTES)
		return -E2BIG;
	size_t length = answer->stream_length + (size_t)size;
	answer->stream = memory_resize(answer->stream, length + 1, 1);
	if (fread(answer->stream + answer->stream_length, 1, (size_t)size, connection->input) !=
	    (size_t)size)
		return end_error(connection);
	answer->stream_length = length;
	answer->stream[length] = 0;
	return 0;
}

/* An error ends a stream too: what came of it is dropped. */
static int take_error(const json_t *error, struct answer *answer)
{
	answer_fini(answer);
	answer->error = copy_member(error, "message");
	answer->error_name = copy_member(error, "name");
	return answer->error && answer->error_name ? 1 : -EPROTO;
}

/* Take one message of the answer. Returns 1 when it was the last, 0 when more follow. */
static int take_message(struct connection *connection, const json_t *message, struct answer *answer)
{
	json_t *result = json_object_get(message, "result");
	const json_t *error = json_object_get(message, "error");
	const json_t *chunk = json_object_get(message, "chunk");
	const json_t *end = json_object_get(message, "bytes");

	if (error)
		return take_error(error, answer);
	if (result) {
		answer->result = json_incref(result);
		return 1;
	}
	if (json_object_get(message, "stream")) {
		free(answer->stream);
		answer->stream = memory_copy_text("", 0);
		return 0;
	}
	if (chunk)
		return read_chunk(connection, json_integer_value(chunk), answer);
	if (end && answer->stream)
		return json_integer_value(end) == (json_int_t)answer->stream_length ? 1 : -EPROTO;
	return -EPROTO;
}

/* Messages with another id do not concern us, apart from errors that belong to no request. */
static int concerns(const struct connection *connection, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");

	return json_integer_value(id) == connection->last_id ||
	       (json_is_null(id) && json_object_get(message, "error"));
}

int connection_call(struct connection *connection, const char *method, json_t *parameters,
		    struct answer *answer)
{
	json_t *request = json_pack("{s:I, s:s}", "id", ++connection->last_id, "method", method);
	int taken = 0;

	*answer = (struct answer){0};
	if (parameters)
		json_object_set_new(request, "params", parameters);
	int error = send_message(connection, request);
	json_decref(request);
	while (!error && !taken) {
		json_t *message;

		error = read_message(connection, &message);
		if (error)
			break;
		if (concerns(connection, message))
			taken = take_message(connection, message, answer);
		json_decref(message);
	}
	if (taken < 0)
		error = taken;
	if (error)
		answer_fini(answer);
	return error;
}
