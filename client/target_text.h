/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target as JSON (docs/protocol.md) turned into words, for the commands that change targets.
 */
#ifndef FLAME_CLIENT_TARGET_TEXT_H
#define FLAME_CLIENT_TARGET_TEXT_H

#include <jansson.h>

struct client;

/* "1234 (redis-server)", "comm:redis*". Owned (free). */
char *target_text_name(const json_t *target);

/* "cpu,offcpu". Owned (free). */
char *target_text_events(const json_t *target);

/* Print what became of a target: "attached 1234 (redis-server): cpu at 99 Hz". */
void target_text_print(const json_t *target, const char *verb);

/*
 * Call a method that takes a list of targets (operands; none: all) and show what it answers, each
 * target with verb. Returns an exit code.
 */
int target_text_call(struct client *client, const char *method, const char *verb, int operand_count,
		     char **operands);

#endif
