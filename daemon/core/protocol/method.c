/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/core/protocol/method.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_METHODS 64

struct method_table {
	const struct method *methods[MAX_METHODS];
	json_t *fallbacks[MAX_METHODS]; /* objects: what parameters are when not given */
	size_t count;
	void *context;
};

static const char *const type_names[PARAMETER_TYPE_COUNT] = {
	[PARAMETER_INTEGER] = "integer", [PARAMETER_NUMBER] = "number",
	[PARAMETER_BOOLEAN] = "boolean", [PARAMETER_STRING] = "string",
	[PARAMETER_STRINGS] = "strings", [PARAMETER_ANY] = "any",
};

static const char *json_type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a number",    [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static void append(char message[METHOD_MESSAGE_BYTES], const char *format, ...) format_printf(2, 3);

static void append(char message[METHOD_MESSAGE_BYTES], const char *format, ...)
{
	size_t length = strlen(message);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message + length, METHOD_MESSAGE_BYTES - length, format, arguments);
	va_end(arguments);
}

static void append_words(char message[METHOD_MESSAGE_BYTES], const char *const *words)
{
	for (size_t i = 0; words[i]; i++)
		append(message, "%s\"%s\"", i ? ", " : " ", words[i]);
}

/* "must be …": what a parameter takes, in words. */
static void append_expected(char message[METHOD_MESSAGE_BYTES], const struct parameter *parameter)
{
	switch (parameter->type) {
	case PARAMETER_INTEGER:
	case PARAMETER_NUMBER:
		append(message, "%s from %.15g to %.15g",
		       parameter->type == PARAMETER_INTEGER ? "an integer" : "a number",
		       parameter->minimum, parameter->maximum);
		return;
	case PARAMETER_BOOLEAN:
		append(message, "true or false");
		return;
	case PARAMETER_STRING:
	case PARAMETER_STRINGS:
		if (parameter->type == PARAMETER_STRINGS)
			append(message, "an array of 1 to %zu different strings",
			       parameter->max_count);
		else
			append(message, "a string");
		if (parameter->words)
			append_words(message, parameter->words);
		else
			append(message, " of %.0f to %.0f bytes", parameter->minimum,
			       parameter->maximum);
		return;
	case PARAMETER_ANY:
	case PARAMETER_TYPE_COUNT:
		append(message, "a value");
		return;
	}
}

static int is_word(const char *const *words, const char *text)
{
	for (; *words; words++)
		if (strcmp(*words, text) == 0)
			return 1;
	return 0;
}

static int is_in_range(const struct parameter *parameter, double number)
{
	return number >= parameter->minimum && number <= parameter->maximum;
}

static int takes_string(const struct parameter *parameter, const json_t *value)
{
	if (!json_is_string(value))
		return 0;
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);
	if (strlen(text) != length) /* it holds a NUL character */
		return 0;
	return parameter->words ? is_word(parameter->words, text)
				: is_in_range(parameter, (double)length);
}

static int takes_strings(const struct parameter *parameter, const json_t *value)
{
	size_t count = json_array_size(value); /* 0 when it is no array */

	if (!count || count > parameter->max_count)
		return 0;
	for (size_t i = 0; i < count; i++) {
		if (!takes_string(parameter, json_array_get(value, i)))
			return 0;
		for (size_t j = 0; j < i; j++)
			if (json_equal(json_array_get(value, i), json_array_get(value, j)))
				return 0;
	}
	return 1;
}

static int takes(const struct parameter *parameter, const json_t *value)
{
	switch (parameter->type) {
	case PARAMETER_INTEGER:
		return json_is_integer(value) &&
		       is_in_range(parameter, (double)json_integer_value(value));
	case PARAMETER_NUMBER:
		return json_is_number(value) && is_in_range(parameter, json_number_value(value));
	case PARAMETER_BOOLEAN:
		return json_is_boolean(value);
	case PARAMETER_STRING:
		return takes_string(parameter, value);
	case PARAMETER_STRINGS:
		return takes_strings(parameter, value);
	case PARAMETER_ANY:
		return 1;
	case PARAMETER_TYPE_COUNT:
		break;
	}
	return 0;
}

static const struct parameter *find_parameter(const struct method *method, const char *name)
{
	for (size_t i = 0; i < method->parameter_count; i++)
		if (strcmp(method->parameters[i].name, name) == 0)
			return &method->parameters[i];
	return NULL;
}

static int refuse_unknown(const struct method *method, const char *name, enum protocol_error *error,
			  char message[METHOD_MESSAGE_BYTES])
{
	*error = ERROR_UNKNOWN_PARAMETER;
	append(message, "%s knows no parameter \"%.64s\"", method->name, name);
	for (size_t i = 0; i < method->parameter_count; i++)
		append(message, "%s%s", i ? ", " : "; it takes ", method->parameters[i].name);
	if (!method->parameter_count)
		append(message, "; it takes none");
	return -EINVAL;
}

static int refuse_value(const struct method *method, const struct parameter *parameter,
			const json_t *value, enum protocol_error *error,
			char message[METHOD_MESSAGE_BYTES])
{
	*error = ERROR_BAD_PARAMETER;
	append(message, "\"%s\" of %s must be ", parameter->name, method->name);
	append_expected(message, parameter);
	if (json_is_integer(value))
		append(message, ", not %" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_string(value) && json_string_length(value) <= 64)
		append(message, ", not \"%s\"", json_string_value(value));
	else if (!json_is_array(value) || parameter->type != PARAMETER_STRINGS)
		append(message, ", not %s", json_type_name(value));
	return -EINVAL;
}

int method_check(const struct method *method, json_t *parameters, enum protocol_error *error,
		 char message[METHOD_MESSAGE_BYTES])
{
	const char *name;
	json_t *value;

	message[0] = 0;
	json_object_foreach(parameters, name, value)
	{
		const struct parameter *parameter = find_parameter(method, name);

		if (!parameter)
			return refuse_unknown(method, name, error, message);
		if (!takes(parameter, value))
			return refuse_value(method, parameter, value, error, message);
	}
	for (size_t i = 0; i < method->parameter_count; i++) {
		const struct parameter *parameter = &method->parameters[i];

		if (!parameter->required || json_object_get(parameters, parameter->name))
			continue;
		*error = ERROR_BAD_PARAMETER;
		append(message, "%s needs \"%s\": ", method->name, parameter->name);
		append_expected(message, parameter);
		return -EINVAL;
	}
	return 0;
}

enum access_rule method_judge(const struct method *method, const json_t *parameters,
			      const struct access_peer *peer)
{
	enum access_rule rule = access_judge_level(peer, method->level);

	for (size_t i = 0; i < method->parameter_count && rule == ACCESS_ALLOWED; i++)
		if (json_object_get(parameters, method->parameters[i].name))
			rule = access_judge_level(peer, method->parameters[i].level);
	return rule;
}

static _Noreturn void reject_table(const struct method *method, const char *name)
{
	fprintf(stderr, "the table of methods contradicts itself: %s, %s\n", method->name, name);
	abort();
}

static void add_method(struct method_table *table, const struct method *method)
{
	json_t *fallbacks = json_object();

	if (!method->summary || !method->handler)
		reject_table(method, "no summary or handler");
	if (table->count == MAX_METHODS || method->parameter_count > METHOD_MAX_PARAMETERS ||
	    method_find(table, method->name))
		reject_table(method, "name or number");
	for (size_t i = 0; i < method->parameter_count; i++) {
		const struct parameter *parameter = &method->parameters[i];

		if (!parameter->name || !parameter->summary)
			reject_table(method, "a parameter without name or summary");
		if (!parameter->fallback)
			continue;
		json_t *value = json_loads(parameter->fallback, JSON_DECODE_ANY, NULL);
		if (!value || !takes(parameter, value))
			reject_table(method, parameter->name);
		json_object_set_new(fallbacks, parameter->name, value);
	}
	table->methods[table->count] = method;
	table->fallbacks[table->count++] = fallbacks;
}

struct method_table *method_table_new(void *context)
{
	struct method_table *table = memory_new(sizeof(*table));

	table->context = context;
	return table;
}

void method_table_add(struct method_table *table, const struct method *methods, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add_method(table, &methods[i]);
}

void method_table_free(struct method_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		json_decref(table->fallbacks[i]);
	free(table);
}

void *method_table_context(const struct method_table *table)
{
	return table->context;
}

const struct method *method_find(const struct method_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->methods[i]->name, name) == 0)
			return table->methods[i];
	return NULL;
}

json_t *method_fallback(const struct method_table *table, const struct method *method,
			const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (table->methods[i] == method)
			return json_object_get(table->fallbacks[i], name);
	return NULL;
}

/* An integer where it is one: 1, not 1.0. */
static json_t *describe_number(double number)
{
	return number == rint(number) && fabs(number) < 0x1p53 ? json_integer((json_int_t)number)
							       : json_real(number);
}

static json_t *describe_parameter(const struct method_table *table, const struct method *method,
				  const struct parameter *parameter)
{
	json_t *description =
		json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", parameter->name, "type",
			  type_names[parameter->type], "required", parameter->required, "level",
			  access_level_name(parameter->level), "summary", parameter->summary);
	json_t *fallback = method_fallback(table, method, parameter->name);
	bool is_text = parameter->type == PARAMETER_STRING || parameter->type == PARAMETER_STRINGS;

	if (fallback)
		json_object_set(description, "default", fallback);
	if (parameter->words) {
		json_t *words = json_array();

		for (size_t i = 0; parameter->words[i]; i++)
			json_array_append_new(words, json_string(parameter->words[i]));
		json_object_set_new(description, "words", words);
	} else if (parameter->type != PARAMETER_BOOLEAN && parameter->type != PARAMETER_ANY) {
		json_object_set_new(description, is_text ? "minimum_length" : "minimum",
				    describe_number(parameter->minimum));
		json_object_set_new(description, is_text ? "maximum_length" : "maximum",
				    describe_number(parameter->maximum));
	}
	if (parameter->type == PARAMETER_STRINGS)
		json_object_set_new(description, "maximum_count",
				    json_integer((json_int_t)parameter->max_count));
	return description;
}

static json_t *describe_errors(void)
{
	json_t *errors = json_array();

	for (int i = 0; i < PROTOCOL_ERROR_COUNT; i++)
		json_array_append_new(errors,
				      json_pack("{s:s, s:i}", "name",
						protocol_error_name((enum protocol_error)i), "code",
						protocol_error_code((enum protocol_error)i)));
	return errors;
}

json_t *method_table_describe(const struct method_table *table)
{
	json_t *methods = json_array();

	for (size_t i = 0; i < table->count; i++) {
		const struct method *method = table->methods[i];
		json_t *parameters = json_array();

		for (size_t j = 0; j < method->parameter_count; j++)
			json_array_append_new(
				parameters,
				describe_parameter(table, method, &method->parameters[j]));
		json_array_append_new(methods,
				      json_pack("{s:s, s:s, s:s, s:b, s:o}", "name", method->name,
						"summary", method->summary, "level",
						access_level_name(method->level), "control",
						method->is_control, "parameters", parameters));
	}
	return json_pack("{s:o, s:o}", "methods", methods, "errors", describe_errors());
}
