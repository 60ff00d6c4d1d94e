/* SPDX-License-Identifier: Apache-2.0 */
#include "common/parse.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

/* Longer than any number, duration or time that makes sense. */
#define MAX_TEXT 64

/* The last whole year whose nanoseconds since the epoch fit into 63 bits. */
#define MAX_YEAR 2261

/* Read decimal digits at *text, which moves behind them. */
static int read_digits(const char **text, const char *end, uint64_t *value)
{
	const char *at = *text;
	uint64_t number = 0;

	if (at == end || !isdigit((unsigned char)*at))
		return -EINVAL;
	for (; at < end && isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
			return -ERANGE;
	}
	*text = at;
	*value = number;
	return 0;
}

int parse_u64(const char *text, size_t length, uint64_t minimum, uint64_t maximum, uint64_t *value)
{
	const char *end = text + length;
	uint64_t number;
	int error = read_digits(&text, end, &number);

	if (error)
		return error;
	if (text != end)
		return -EINVAL;
	if (number < minimum || number > maximum)
		return -ERANGE;
	*value = number;
	return 0;
}

int parse_double(const char *text, size_t length, double minimum, double maximum, double *value)
{
	static locale_t c_locale;
	char copy[MAX_TEXT];
	char *end;

	if (!c_locale)
		c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (!length || length >= sizeof(copy) || memchr(text, 0, length))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = 0;
	/* strtod() would take spaces, hexadecimal, "inf" and "nan" too. */
	if (strspn(copy, "+-.0123456789eE") != length)
		return -EINVAL;
	double number = strtod_l(copy, &end, c_locale);
	if (end != copy + length)
		return -EINVAL;
	if (!isfinite(number) || number < minimum || number > maximum)
		return -ERANGE;
	*value = number;
	return 0;
}

static const struct {
	const char *name;
	uint64_t ns;
} duration_units[] = {
	{"ns", 1},
	{"us", 1000},
	{"ms", 1000000},
	{"s", UINT64_C(1000000000)},
	{"m", UINT64_C(60000000000)},
	{"min", UINT64_C(60000000000)},
	{"h", UINT64_C(3600000000000)},
	{"d", UINT64_C(86400000000000)},
};

static int find_duration_unit(const char *name, size_t length, uint64_t *ns)
{
	if (!length) {
		*ns = (uint64_t)NS_PER_S;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(duration_units); i++) {
		if (strlen(duration_units[i].name) == length &&
		    memcmp(duration_units[i].name, name, length) == 0) {
			*ns = duration_units[i].ns;
			return 0;
		}
	}
	return -EINVAL;
}

int parse_duration(const char *text, size_t length, uint64_t *duration_ns)
{
	const char *end = text + length;
	double total = 0;

	if (!length || length > MAX_TEXT)
		return -EINVAL;
	while (text < end) {
		const char *number = text;
		uint64_t unit_ns;
		double count;

		while (text < end && (isdigit((unsigned char)*text) || *text == '.'))
			text++;
		int error = parse_double(number, (size_t)(text - number), 0, 1e15, &count);
		if (error)
			return error;
		const char *unit = text;
		while (text < end && isalpha((unsigned char)*text))
			text++;
		/* A bare number is seconds, but only when it is all there is. */
		if (text == unit && (text < end || number != end - length))
			return -EINVAL;
		error = find_duration_unit(unit, (size_t)(text - unit), &unit_ns);
		if (error)
			return error;
		total += count * (double)unit_ns;
	}
	if (total > (double)INT64_MAX)
		return -ERANGE;
	*duration_ns = (uint64_t)llround(total);
	return 0;
}

int parse_size(const char *text, size_t length, uint64_t *size_bytes)
{
	static const char prefixes[] = "kmgt";
	const char *end = text + length;
	unsigned int shift = 0;
	uint64_t number;
	int error = read_digits(&text, end, &number);

	if (error)
		return error;
	if (text < end) {
		const char *prefix = strchr(prefixes, tolower((unsigned char)*text));

		if (prefix && *prefix) {
			shift = 10 * (unsigned int)(prefix - prefixes + 1);
			text++;
			if (text < end && *text == 'i')
				text++;
		}
		if (text < end && *text == 'B')
			text++;
	}
	if (text != end)
		return -EINVAL;
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*size_bytes = number << shift;
	return 0;
}

int parse_percent(const char *text, size_t length, double *percent)
{
	if (length && text[length - 1] == '%')
		length--;
	return parse_double(text, length, 0, 100, percent);
}

/* The fraction behind a '.' at *text, as nanoseconds. */
static int read_fraction(const char **text, const char *end, int64_t *fraction_ns)
{
	int64_t scale = NS_PER_S / 10;

	*fraction_ns = 0;
	if (*text == end || **text != '.')
		return 0;
	(*text)++;
	if (*text == end || !isdigit((unsigned char)**text))
		return -EINVAL;
	for (; *text < end && isdigit((unsigned char)**text); (*text)++, scale /= 10)
		*fraction_ns += scale * (**text - '0');
	return 0;
}

/* "HH:MM" or "HH:MM:SS[.fraction]" at *text. */
static int read_clock(const char **text, const char *end, struct tm *parts, int64_t *fraction_ns)
{
	uint64_t hour, minute, second = 0;
	int error = read_digits(text, end, &hour);

	if (!error && (*text == end || *(*text)++ != ':'))
		error = -EINVAL;
	if (!error)
		error = read_digits(text, end, &minute);
	*fraction_ns = 0;
	if (!error && *text < end && **text == ':') {
		(*text)++;
		error = read_digits(text, end, &second);
		if (!error)
			error = read_fraction(text, end, fraction_ns);
	}
	if (error)
		return error;
	if (hour > 23 || minute > 59 || second > 60)
		return -ERANGE;
	parts->tm_hour = (int)hour;
	parts->tm_min = (int)minute;
	parts->tm_sec = (int)second;
	return 0;
}

/* "YYYY-MM-DD" at *text. */
static int read_date(const char **text, const char *end, struct tm *parts)
{
	uint64_t year, month, day;
	int error = read_digits(text, end, &year);

	if (!error && (*text == end || *(*text)++ != '-'))
		error = -EINVAL;
	if (!error)
		error = read_digits(text, end, &month);
	if (!error && (*text == end || *(*text)++ != '-'))
		error = -EINVAL;
	if (!error)
		error = read_digits(text, end, &day);
	if (error)
		return error;
	if (year < 1970 || year > MAX_YEAR || month < 1 || month > 12 || day < 1 || day > 31)
		return -ERANGE;
	parts->tm_year = (int)year - 1900;
	parts->tm_mon = (int)month - 1;
	parts->tm_mday = (int)day;
	return 0;
}

/* "Z", "+HH:MM" or "-HH:MM" at *text: seconds east of Greenwich. */
static int read_offset(const char **text, const char *end, int64_t *offset_s)
{
	uint64_t hour, minute;

	if (**text == 'Z' || **text == 'z') {
		(*text)++;
		*offset_s = 0;
		return 0;
	}
	int64_t sign = **text == '-' ? -1 : 1;
	if (**text != '-' && **text != '+')
		return -EINVAL;
	(*text)++;
	int error = read_digits(text, end, &hour);
	if (!error && (*text == end || *(*text)++ != ':'))
		error = -EINVAL;
	if (!error)
		error = read_digits(text, end, &minute);
	if (error)
		return error;
	if (hour > 23 || minute > 59)
		return -ERANGE;
	*offset_s = sign * (int64_t)(hour * 3600 + minute * 60);
	return 0;
}

static int parse_clock_today(const char *text, const char *end, int64_t now_ns, int64_t *time_ns)
{
	time_t now_s = (time_t)(now_ns / NS_PER_S);
	struct tm parts;
	int64_t fraction_ns;

	localtime_r(&now_s, &parts);
	int error = read_clock(&text, end, &parts, &fraction_ns);
	if (error)
		return error;
	if (text != end)
		return -EINVAL;
	parts.tm_isdst = -1;
	struct tm today = parts;
	int64_t result = (int64_t)mktime(&today) * NS_PER_S + fraction_ns;
	if (result > now_ns) {
		parts.tm_mday--;
		parts.tm_isdst = -1;
		result = (int64_t)mktime(&parts) * NS_PER_S + fraction_ns;
	}
	*time_ns = result;
	return 0;
}

static int parse_rfc3339(const char *text, const char *end, int64_t *time_ns)
{
	struct tm parts = {.tm_isdst = -1};
	int64_t fraction_ns, offset_s;
	int error = read_date(&text, end, &parts);

	if (!error && (text == end || !strchr("Tt ", *text++)))
		error = -EINVAL;
	if (!error)
		error = read_clock(&text, end, &parts, &fraction_ns);
	if (error)
		return error;
	if (text == end) {
		*time_ns = (int64_t)mktime(&parts) * NS_PER_S + fraction_ns;
		return 0;
	}
	error = read_offset(&text, end, &offset_s);
	if (error)
		return error;
	if (text != end)
		return -EINVAL;
	*time_ns = ((int64_t)timegm(&parts) - offset_s) * NS_PER_S + fraction_ns;
	return 0;
}

int parse_time(const char *text, size_t length, int64_t now_ns, int64_t *time_ns)
{
	const char *end = text + length;
	uint64_t duration_ns;
	double seconds;

	if (!length || length > MAX_TEXT || memchr(text, 0, length))
		return -EINVAL;
	if (length == 3 && memcmp(text, "now", 3) == 0) {
		*time_ns = now_ns;
		return 0;
	}
	if (*text == '-') {
		int error = parse_duration(text + 1, length - 1, &duration_ns);

		if (!error)
			*time_ns = now_ns - (int64_t)duration_ns;
		return error;
	}
	if (*text == '@') {
		int error = parse_double(text + 1, length - 1, 0, 9e9, &seconds);

		if (!error)
			*time_ns = (int64_t)(seconds * (double)NS_PER_S);
		return error;
	}
	if (memchr(text, '-', length))
		return parse_rfc3339(text, end, time_ns);
	return parse_clock_today(text, end, now_ns, time_ns);
}
