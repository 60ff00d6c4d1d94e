/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile inside a picture: its JSON, compressed (zlib) and as base64, in an element of its own.
 * So a picture that somebody mailed can be drawn anew, compared and dumped, and its script has the
 * stacks that are too narrow to be drawn.
 */
#ifndef FLAME_CLIENT_FORMATS_EMBEDDED_H
#define FLAME_CLIENT_FORMATS_EMBEDDED_H

#include <stddef.h>
#include <stdio.h>

#include "common/memory.h"

struct profile;

/* The ids of the elements: what is shown, and what a difference compares it with. */
#define EMBEDDED_PROFILE "flame-profile"
#define EMBEDDED_BASE    "flame-base"

/* Write profile as an element called id. Errors: those of writing to file. */
must_check int embedded_write(const struct profile *profile, const char *id, FILE *file);

/*
 * Read the profile in the element called id out of a picture. *profile is Owned (profile_free);
 * *error becomes a sentence (static text) on failure. Errors: -ENOENT there is none, -EINVAL,
 * -E2BIG.
 */
must_check int embedded_read(const char *svg, size_t length, const char *id,
			     struct profile **profile, const char **error);

#endif
