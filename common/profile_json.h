/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as JSON, the shape in docs/protocol.md: the daemon writes it into the stream of an
 * answer, the client reads it from there, from a file or out of a picture. The writer hands out
 * pieces as it goes and never holds the whole text; the reader takes any bytes and checks every
 * number before it uses one.
 */
#ifndef FLAME_COMMON_PROFILE_JSON_H
#define FLAME_COMMON_PROFILE_JSON_H

#include <stddef.h>

#include "common/memory.h"

struct profile;

#define PROFILE_JSON_VERSION   1
#define PROFILE_JSON_MAX_BYTES (512u << 20)
#define PROFILE_JSON_MAX_SLICE 1000000u

/* Take length bytes; a negative errno ends the writing. */
typedef int profile_json_sink(void *context, const char *bytes, size_t length);

/* Write profile through sink, in pieces of some 64 KiB. Errors: those of sink. */
must_check int profile_json_write(const struct profile *profile, profile_json_sink *sink,
				  void *context);

/*
 * Read a profile. *profile is Owned (profile_free). *error is a sentence about what is wrong
 * (static text), set on failure only. Errors: -EINVAL no such JSON, -EPROTONOSUPPORT a version that
 * this reader does not know, -E2BIG more than PROFILE_JSON_MAX_BYTES.
 */
must_check int profile_json_read(const char *text, size_t length, struct profile **profile,
				 const char **error);

#endif
