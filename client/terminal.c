/* SPDX-License-Identifier: Apache-2.0 */
#include "client/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/memory.h"

#define ENTER_SCREEN "\033[?1049h\033[?25l\033[H\033[2J"
#define LEAVE_SCREEN "\033[?25h\033[?1049l"
#define TO_TOP       "\033[H"
#define CLEAR_LINE   "\033[K"
#define CLEAR_BELOW  "\033[J"

static struct termios saved_modes;
static int has_modes; /* standard input is a terminal, whose modes were changed */
static int has_screen;
static volatile sig_atomic_t is_interrupted;

static int read_size(struct winsize *size)
{
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, size) == 0;
}

size_t terminal_columns(void)
{
	struct winsize size;

	if (!read_size(&size))
		return 0;
	return size.ws_col ? size.ws_col : TERMINAL_DEFAULT_COLUMNS;
}

size_t terminal_rows(void)
{
	struct winsize size;

	return read_size(&size) && size.ws_row ? size.ws_row : TERMINAL_DEFAULT_ROWS;
}

static void write_all(const char *text, size_t length)
{
	while (length) {
		ssize_t count = write(STDOUT_FILENO, text, length);

		if (count < 0 && errno != EINTR)
			return;
		if (count > 0) {
			text += count;
			length -= (size_t)count;
		}
	}
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	is_interrupted = 1;
}

void terminal_enter_screen(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	if (!isatty(STDOUT_FILENO))
		return;
	if (tcgetattr(STDIN_FILENO, &saved_modes) == 0) {
		struct termios modes = saved_modes;

		modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		has_modes = tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0;
	}
	has_screen = 1;
	atexit(terminal_leave_screen);
	write_all(ENTER_SCREEN, strlen(ENTER_SCREEN));
}

void terminal_leave_screen(void)
{
	if (has_modes)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
	if (has_screen)
		write_all(LEAVE_SCREEN, strlen(LEAVE_SCREEN));
	has_modes = 0;
	has_screen = 0;
}

void terminal_redraw(const char *text)
{
	_cleanup_free_ char *screen = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&screen, &size);

	if (!file)
		return;
	/* Each line clears what is left of the old one behind it; nothing is blanked first. */
	fputs(TO_TOP, file);
	for (const char *line = text; *line;) {
		size_t length = strcspn(line, "\n");

		fprintf(file, "%.*s" CLEAR_LINE, (int)length, line);
		line += length;
		if (*line == '\n' && *++line)
			fputs("\r\n", file);
	}
	fputs(CLEAR_BELOW, file);
	fclose(file);
	write_all(screen, size);
}

int terminal_wait(uint64_t duration_ns)
{
	uint64_t end_ns = clock_boot_ns() + duration_ns;
	struct pollfd keyboard = {.fd = has_modes ? STDIN_FILENO : -1, .events = POLLIN};

	while (!is_interrupted) {
		uint64_t now_ns = clock_boot_ns();
		char key;

		if (now_ns >= end_ns)
			return 0;
		if (poll(&keyboard, 1, (int)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS)) <= 0)
			continue;
		if (read(STDIN_FILENO, &key, 1) != 1)
			keyboard.fd = -1;
		else if (key == 'q' || key == 'Q')
			return 1;
	}
	return 1;
}
