/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server of the control protocol with one client at the other end of a socket pair, and methods
 * that answer in every possible way. For the tests of requests and of connections.
 */
#ifndef FLAME_TESTS_UNIT_PROTOCOL_SCENE_H
#define FLAME_TESTS_UNIT_PROTOCOL_SCENE_H

#include <stddef.h>

#include <jansson.h>

#include "daemon/core/protocol/connection.h"

#define STREAM_BYTES (4 << 20)

struct event_base;
struct evbuffer;
struct method_table;
struct request;

/* What the handlers saw. */
struct seen {
	struct request *waiting;
	int cancelled;
	int released; /* sources */
	int calls;
	size_t produced;
};

/* A server with one client, whose end of the socket is client_fd. */
struct scene {
	struct event_base *base;
	struct method_table *table;
	struct connection_settings settings;
	struct connection *connection; /* NULL when it has closed */
	struct seen seen;
	enum access_level level;
	int client_fd;
	struct evbuffer *received;
};

/* Set-up functions of cmocka: a client of level all, one of level own. */
int scene_set_up(void **state);
int scene_set_up_own(void **state);
int scene_tear_down(void **state);

/* Connect the client anew, with the settings as they are now. */
void scene_reconnect(struct scene *scene);

/* Let the server do what can be done without waiting. */
void scene_turn(struct scene *scene);

/* Take what has arrived into received. */
void scene_receive(struct scene *scene);

/* Send from the client while the server runs. */
void scene_send(struct scene *scene, const char *bytes, size_t length);
void scene_send_text(struct scene *scene, const char *text);

/* The next line that the client gets, parsed; NULL at the end. Owned (json_decref). */
json_t *scene_next_line(struct scene *scene);
void scene_skip_greeting(struct scene *scene);

/* Compare the next line with JSON; "*" there as an error's message fits any. */
void scene_expect(struct scene *scene, const char *wanted);
void scene_expect_closed(struct scene *scene);

/* How many methods the server has beside its own. */
size_t scene_method_count(void);

#endif
