/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run of flamectl against one flamed: where it is and how answers are shown. What cannot go on
 * is told on standard error and ends the program with the exit code that command.h gives it; there
 * is nobody else to tell.
 */
#ifndef FLAME_CLIENT_CLIENT_H
#define FLAME_CLIENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct answer;
struct command;
struct connection;

struct client {
	const struct command *command;
	const char *socket_path; /* as the user knows it */
	const char *local_path;  /* where to connect; another one when the host is remote */
	const char *host;        /* NULL: this one */
	int host_count;          /* of all that are asked */
	uint64_t silence_ms;     /* that flamed may take to answer */
	int json;                /* --json: show results as they came */
	struct connection *connection;
};

/* Connect if that has not happened yet; tells and exits when nobody answers. */
void client_connect(struct client *client);

/*
 * Send a request and wait for the answer; tells and exits when the connection breaks. An error of
 * the request is in the answer. Takes parameters. answer is Owned (answer_fini).
 */
void client_ask(struct client *client, const char *method, json_t *parameters,
		struct answer *answer);

/* The same when a result is all that can be gone on with. Owned (json_decref). */
json_t *client_call(struct client *client, const char *method, json_t *parameters);

/* Tell an error of a request: its message, and what to do where we know. Returns EXIT_FAILED. */
int client_report(const struct client *client, const struct answer *answer);

/* Show a result in JSON: indented on a terminal, else on one line. Takes result. */
void client_print_json(const struct client *client, json_t *result);

/* The operands as an array of strings, or NULL when there are none. Owned (json_decref). */
json_t *client_targets(int operand_count, char **operands);

#endif
