/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line on the terminal (standard error) that tells how far something has come; nothing is shown
 * where standard error is no terminal.
 */
#ifndef FLAME_CLIENT_PROGRESS_H
#define FLAME_CLIENT_PROGRESS_H

/* Show a bar for part of whole seconds (whole 0: no end is known) and text behind it. */
void progress_show(double part, double whole, const char *text);

/* Remove the line. */
void progress_clear(void);

#endif
