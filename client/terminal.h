/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal: how large it is, and a screen of its own for what is redrawn. The screen is given
 * back when the program ends, also on SIGINT, SIGTERM and SIGHUP, which then end the redrawing
 * instead of the program.
 */
#ifndef FLAME_CLIENT_TERMINAL_H
#define FLAME_CLIENT_TERMINAL_H

#include <stddef.h>
#include <stdint.h>

#define TERMINAL_DEFAULT_COLUMNS 80
#define TERMINAL_DEFAULT_ROWS    24

/* Columns of the terminal on standard output; 0 when that is none. */
size_t terminal_columns(void);

/* Rows of the terminal on standard output. */
size_t terminal_rows(void);

/* Switch to the second screen, without cursor; keys are read one by one. */
void terminal_enter_screen(void);

/* Show text in place of what the screen shows, in one write, so that nothing flickers. */
void terminal_redraw(const char *text);

/* Wait for duration_ns. Returns non-zero when the user pressed q or wants to end the program. */
int terminal_wait(uint64_t duration_ns);

/* Give the screen back; nothing happens when it was never taken. */
void terminal_leave_screen(void);

#endif
