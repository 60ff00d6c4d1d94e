/* SPDX-License-Identifier: Apache-2.0 */
#include "client/client.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/command.h"
#include "client/connection.h"
#include "common/cleanup.h"
#include "common/text.h"

/* Why nobody answered, and what to do. */
static _Noreturn void exit_unreachable(const struct client *client, int error,
				       const char *message_given)
{
	_cleanup_free_ char *message = message_given ? text_copy_printable(message_given) : NULL;
	const char *where = client->host ? client->host : "";
	const char *separator = client->host ? ":" : "";

	switch (error) {
	case -EBUSY:
	case -EPROTONOSUPPORT:
		errx(EXIT_UNREACHABLE, "flamed at %s%s%s: %s", where, separator,
		     client->socket_path, message ? message : strerror(-error));
	case -EPROTO:
		errx(EXIT_UNREACHABLE, "what answers at %s%s%s is not flamed", where, separator,
		     client->socket_path);
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET: /* ssh forwards to a socket that nobody listens on */
		errx(EXIT_UNREACHABLE,
		     "flamed is not running: nobody answers at %s%s%s (%s)\n"
		     "start it with: systemctl start flamed, or by hand as root: flamed%s%s",
		     where, separator, client->socket_path, strerror(-error),
		     client->host ? "" : " --socket ", client->host ? "" : client->socket_path);
	case -ETIMEDOUT:
		errx(EXIT_UNREACHABLE, "flamed at %s%s%s does not answer; see its log", where,
		     separator, client->socket_path);
	default:
		errx(EXIT_UNREACHABLE,
		     "cannot connect to flamed at %s%s%s: %s\n"
		     "is it the right path? --socket PATH or $FLAMED_SOCKET name another",
		     where, separator, client->socket_path, strerror(-error));
	}
}

void client_connect(struct client *client)
{
	_cleanup_free_ char *message = NULL;

	if (client->connection)
		return;
	int error = connection_open(client->local_path, client->silence_ms, &client->connection,
				    &message);
	if (error)
		exit_unreachable(client, error, message);
}

void client_ask(struct client *client, const char *method, json_t *parameters,
		struct answer *answer)
{
	client_connect(client);
	int error = connection_call(client->connection, method, parameters, answer);
	if (!error)
		return;
	if (error == -ETIMEDOUT)
		errx(EXIT_UNREACHABLE,
		     "flamed at %s%s%s has said nothing for %g s; see its log, or wait longer "
		     "with --timeout",
		     client->host ? client->host : "", client->host ? ":" : "", client->socket_path,
		     (double)client->silence_ms / 1000);
	if (error == -EPIPE)
		errx(EXIT_FAILED, "flamed closed the connection before it answered");
	errx(EXIT_FAILED, "the answer of flamed cannot be used: %s", strerror(-error));
}

int client_report(const struct client *client, const struct answer *answer)
{
	_cleanup_free_ char *message = text_copy_printable(answer->error);

	if (client->host_count > 1)
		warnx("%s: %s", client->host, message);
	else
		warnx("%s", message);
	return EXIT_FAILED;
}

json_t *client_call(struct client *client, const char *method, json_t *parameters)
{
	struct answer answer;

	client_ask(client, method, parameters, &answer);
	if (answer.error)
		exit(client_report(client, &answer));
	if (!answer.result)
		errx(EXIT_FAILED, "the answer of flamed cannot be used: it is no result");
	json_t *result = json_incref(answer.result);
	answer_fini(&answer);
	return result;
}

void client_print_json(const struct client *client, json_t *result)
{
	size_t flags = JSON_REAL_PRECISION(15);

	if (client->host_count > 1)
		result = json_pack("{s:s, s:o}", "host", client->host, "result", result);
	flags |= isatty(STDOUT_FILENO) && client->host_count <= 1 ? JSON_INDENT(2) : 0;
	json_dumpf(result, stdout, flags);
	putchar('\n');
	json_decref(result);
}

json_t *client_targets(int operand_count, char **operands)
{
	json_t *targets;

	if (!operand_count)
		return NULL;
	targets = json_array();
	for (int i = 0; i < operand_count; i++) {
		json_t *target = json_string(operands[i]);

		if (!target)
			errx(EXIT_USAGE, "a target must be UTF-8 text");
		json_array_append_new(targets, target);
	}
	return targets;
}
