/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text inside XML: names come from outside, so markup is escaped, characters that XML 1.0 forbids
 * become U+FFFD or a space, and what comes out is valid UTF-8.
 */
#ifndef FLAME_CLIENT_FLAMEGRAPH_XML_H
#define FLAME_CLIENT_FLAMEGRAPH_XML_H

#include <stddef.h>
#include <stdio.h>

/* Write text so that it may stand between tags and inside a quoted attribute. */
void xml_write(const char *text, size_t length, FILE *file);
void xml_write_text(const char *text, FILE *file);

/* Write JSON as the text of an element: what is markup becomes \u escapes, quotes stay. */
void xml_write_json(const char *json, FILE *file);

#endif
