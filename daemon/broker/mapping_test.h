/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the kernel programs find mappings rightly on this kernel: they read structures that are
 * the kernel's own affair and may change. The broker has them look up its own code, the C
 * library's and the vdso's, and compares with what /proc says.
 */
#ifndef FLAME_DAEMON_BROKER_MAPPING_TEST_H
#define FLAME_DAEMON_BROKER_MAPPING_TEST_H

#include "common/memory.h"

struct programs;

/* Returns 0 when all is as it should be. Errors: -EBADMSG when not, as programs_find_mapping(). */
must_check int mapping_test_run(const struct programs *programs);

#endif
