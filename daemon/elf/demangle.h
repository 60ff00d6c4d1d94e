/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names as programmers write them: C++, Rust (both manglings) and D through libiberty, without
 * parameters, as perf shows them. Mangled names are hostile: a short one can stand for gigabytes,
 * so what is written is bounded and what is too long to take apart stays as it is.
 */
#ifndef FLAME_DAEMON_ELF_DEMANGLE_H
#define FLAME_DAEMON_ELF_DEMANGLE_H

#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

#define DEMANGLE_MAX_INPUT  8192                 /* bytes; longer names are not taken apart */
#define DEMANGLE_MAX_OUTPUT 4096                 /* bytes; longer ones are cut and end in "…" */
#define DEMANGLE_MAX_BATCH  (UINT32_C(64) << 20) /* bytes of names */
#define DEMANGLE_MAX_RESULT (UINT32_C(256) << 20)

/*
 * Write what mangled, of length bytes, stands for into name, terminated: valid UTF-8 without control
 * characters. What is no mangled name is copied. Returns the length written.
 */
size_t demangle_name(char name[DEMANGLE_MAX_OUTPUT], const char *mangled, size_t length);

/*
 * Demangle names, each terminated by a zero, one behind the other, for budget_ns: those that are
 * still to be done then are handed back as they came. *result is the same number of names in the
 * same order. Owned (free). Errors: -EINVAL the last one is not terminated, -E2BIG.
 */
must_check int demangle_batch(const char *names, size_t size, uint64_t budget_ns, char **result,
			      size_t *result_size);

#endif
