/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of the control protocol as data: what each is called, who may call it, which
 * parameters it takes and who answers. Validation, `describe` and the errors about wrong parameters
 * all come from this table.
 *
 * The methods are constant and belong to the caller; a method_table is made of them once, by
 * request_methods_new(), and shared by all connections.
 */
#ifndef FLAME_DAEMON_CORE_PROTOCOL_METHOD_H
#define FLAME_DAEMON_CORE_PROTOCOL_METHOD_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "common/cleanup.h"
#include "common/memory.h"
#include "common/protocol.h"
#include "daemon/core/processes/access.h"

#define METHOD_MAX_PARAMETERS 16
#define METHOD_MESSAGE_BYTES  512 /* of an error's sentence */

struct request;

enum parameter_type {
	PARAMETER_INTEGER,
	PARAMETER_NUMBER, /* an integer or a real */
	PARAMETER_BOOLEAN,
	PARAMETER_STRING,
	PARAMETER_STRINGS, /* an array of strings, none of them twice */
	PARAMETER_ANY,     /* any JSON value */
	PARAMETER_TYPE_COUNT
};

struct parameter {
	const char *name;
	enum parameter_type type;
	const char *summary; /* one line without full stop */
	bool required;
	enum access_level level; /* needed to use it at all; ACCESS_LEVEL_OWN: anybody */

	/* What counts when it is not given, as JSON ("30000", "[\"cpu\"]"); NULL: nothing. */
	const char *fallback;

	/* Integers and numbers: the range. Strings: of the length in bytes, for each one. */
	double minimum;
	double maximum;

	/* Strings: the words that are possible, up to NULL. NULL: any text. */
	const char *const *words;

	/* PARAMETER_STRINGS: at least one and at most so many. */
	size_t max_count;
};

/* Answers a request, now or later: see request.h. context is that of the table. */
typedef void method_handler(struct request *request, void *context);

struct method {
	const char *name;
	const char *summary;
	enum access_level level; /* needed to call it */
	bool is_control;         /* changes something: each call is one line of the log */
	method_handler *handler;
	const struct parameter *parameters;
	size_t parameter_count; /* at most METHOD_MAX_PARAMETERS */
};

struct method_table;

/* Make an empty table whose handlers get context. Owned (method_table_free). */
struct method_table *method_table_new(void *context);

/*
 * Add methods, which are borrowed (valid until the table goes). Aborts when they contradict
 * themselves: a fallback that the parameter would refuse, a name twice.
 */
void method_table_add(struct method_table *table, const struct method *methods, size_t count);

void method_table_free(struct method_table *table);
DEFINE_CLEANUP(method_table_free, struct method_table)

/* The context that was given to method_table_new(). */
void *method_table_context(const struct method_table *table);

/* Return the method called name, or NULL. Borrowed. */
const struct method *method_find(const struct method_table *table, const char *name);

/* Return what a parameter stands for when it is not given, or NULL. Borrowed. */
json_t *method_fallback(const struct method_table *table, const struct method *method,
			const char *name);

/* Everything about all methods, as `describe` answers it. Owned (json_decref). */
json_t *method_table_describe(const struct method_table *table);

/*
 * Check an object of parameters against what the method takes. Returns 0, or writes the error and
 * its sentence for people and returns -EINVAL.
 */
must_check int method_check(const struct method *method, json_t *parameters,
			    enum protocol_error *error, char message[METHOD_MESSAGE_BYTES]);

/*
 * Return ACCESS_ALLOWED, or the rule that keeps the peer from calling the method with these
 * (checked) parameters.
 */
enum access_rule method_judge(const struct method *method, const json_t *parameters,
			      const struct access_peer *peer);

#endif
