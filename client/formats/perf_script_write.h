/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile as `perf script` prints samples, for the programs that read that. A profile holds sums,
 * not moments: each row becomes as many records as it has samples, spread evenly over the window,
 * with its mean weight as their period; addresses are not known and are written as 0.
 */
#ifndef FLAME_CLIENT_FORMATS_PERF_SCRIPT_WRITE_H
#define FLAME_CLIENT_FORMATS_PERF_SCRIPT_WRITE_H

#include <stdio.h>

#include "common/memory.h"

#define PERF_SCRIPT_MAX_RECORDS 10000000u

struct profile;

/* Write the records in order of time. Errors: -E2BIG more than PERF_SCRIPT_MAX_RECORDS. */
must_check int perf_script_write(const struct profile *profile, FILE *file);

#endif
