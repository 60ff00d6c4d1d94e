/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers, durations, sizes and times as people type them. Each parser takes the text and its
 * length, uses all of it or fails with -EINVAL (not a value) or -ERANGE (outside the limits), and
 * writes its result on success only.
 */
#ifndef FLAME_COMMON_PARSE_H
#define FLAME_COMMON_PARSE_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

/* "123" in [minimum, maximum]. */
must_check int parse_u64(const char *text, size_t length, uint64_t minimum, uint64_t maximum,
			 uint64_t *value);

/* A finite decimal number in [minimum, maximum], independent of the locale. */
must_check int parse_double(const char *text, size_t length, double minimum, double maximum,
			    double *value);

/* "500us", "250ms", "30s", "5m", "2h", "1d", "1m30s"; a bare number is seconds. Units: ns. */
must_check int parse_duration(const char *text, size_t length, uint64_t *duration_ns);

/* "4096", "64k", "64M", "1G" (powers of 1024, an optional "B" or "iB" behind). Units: bytes. */
must_check int parse_size(const char *text, size_t length, uint64_t *size_bytes);

/* "1", "0.5", "1%": percent in [0, 100]. */
must_check int parse_percent(const char *text, size_t length, double *percent);

/*
 * A point in time: "now", "-5m" (before now_ns), "@1700000000.5", "14:03:10" or "14:03" (local
 * time, today, or yesterday when that would be in the future), RFC 3339
 * ("2026-11-20T14:03:10+01:00", "…Z", or a space for the T; without offset local time).
 * Units: ns since the epoch, as now_ns.
 */
must_check int parse_time(const char *text, size_t length, int64_t now_ns, int64_t *time_ns);

#endif
