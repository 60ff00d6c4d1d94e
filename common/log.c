/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_BYTES 2048

static const char *log_name = "flamed";
static enum log_level log_limit = LOG_LEVEL_INFO;

/* The priorities of syslog(3): err, warning, info, debug. */
static const int syslog_priorities[] = {3, 4, 6, 7};

void log_start(const char *name, enum log_level level)
{
	log_name = name;
	log_limit = level;
}

int log_shows(enum log_level level)
{
	return level <= log_limit;
}

/* Text from targets and clients ends up here: keep each message one printable line. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = ' ';
}

void log_write_list(enum log_level level, int error, const char *format, va_list arguments)
{
	int saved_errno = errno;
	char message[LOG_LINE_BYTES];
	char line[LOG_LINE_BYTES + 128];

	if (!log_shows(level))
		return;
	vsnprintf(message, sizeof(message), format, arguments);
	make_one_line(message);
	int length = snprintf(line, sizeof(line), "%s: %s%s%s\n", log_name, message,
			      error ? ": " : "", error ? strerror(-error) : "");
	if (length >= (int)sizeof(line))
		length = (int)sizeof(line) - 1;
	/* One write a line, so that lines of the three processes do not mix. */
	if (isatty(STDERR_FILENO)) {
		if (write(STDERR_FILENO, line, (size_t)length) < 0)
			errno = saved_errno;
	} else {
		char prefixed[sizeof(line) + 4];

		length = snprintf(prefixed, sizeof(prefixed), "<%d>%s", syslog_priorities[level],
				  line);
		if (write(STDERR_FILENO, prefixed, (size_t)length) < 0)
			errno = saved_errno;
	}
	errno = saved_errno;
}

void log_write(enum log_level level, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	log_write_list(level, error, format, arguments);
	va_end(arguments);
}
