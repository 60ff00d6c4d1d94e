/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's log: one line a message on standard error, the sentence first and key=value pairs
 * after it. When standard error is not a terminal each line starts with "<N>", the syslog priority
 * that the journal understands. The client reports with err(3) instead.
 */
#ifndef FLAME_COMMON_LOG_H
#define FLAME_COMMON_LOG_H

#include <stdarg.h>

#include "common/memory.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Show messages up to and including level, under name ("core", "broker", …), which is borrowed. */
void log_start(const char *name, enum log_level level);

/* Non-zero when messages of level are shown. */
int log_shows(enum log_level level);

/* Write one line; a negative errno in error is appended as text, zero is not. Keeps errno. */
void log_write(enum log_level level, int error, const char *format, ...) format_printf(3, 4);
void log_write_list(enum log_level level, int error, const char *format, va_list arguments)
	format_printf(3, 0);

#define log_error(...) log_write(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, 0, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/* The same with a negative errno as the first argument. */
#define log_error_errno(error, ...) log_write(LOG_LEVEL_ERROR, error, __VA_ARGS__)
#define log_warn_errno(error, ...)  log_write(LOG_LEVEL_WARN, error, __VA_ARGS__)
#define log_info_errno(error, ...)  log_write(LOG_LEVEL_INFO, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_write(LOG_LEVEL_DEBUG, error, __VA_ARGS__)

#endif
