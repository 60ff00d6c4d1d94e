/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of kernel addresses, from the text of /proc/kallsyms: functions of the kernel, its modules
 * and loaded BPF programs, sorted by address.
 */
#ifndef FLAME_DAEMON_CORE_NAMES_KALLSYMS_H
#define FLAME_DAEMON_CORE_NAMES_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define KALLSYMS_MAX_BYTES (UINT64_C(256) << 20)

struct kallsyms;

/*
 * Parse the text of /proc/kallsyms. Errors: -EPERM when every address is zero (the reader lacked
 * the right to see them), -EBADMSG when there is no symbol.
 */
must_check int kallsyms_parse(const char *text, size_t length, struct kallsyms **symbols);

/* Read all of fd, which stays the caller's, and parse it. Errors: as above and as read(2). */
must_check int kallsyms_read(int fd, struct kallsyms **symbols);
void kallsyms_free(struct kallsyms *symbols);
DEFINE_CLEANUP(kallsyms_free, struct kallsyms)

/*
 * Return the name of the function that address is in, and the module ("ext4", "bpf", "kernel") in
 * *module; NULL when it is below the first one. Borrowed (until free).
 */
const char *kallsyms_find(const struct kallsyms *symbols, uint64_t address, const char **module);

/*
 * Find the address of the symbol called name and where the next one begins. Errors: -ENOENT there
 * is none.
 */
must_check int kallsyms_locate(const struct kallsyms *symbols, const char *name, uint64_t *address,
			       uint64_t *end);

/* How many functions there are. */
uint32_t kallsyms_count(const struct kallsyms *symbols);

#endif
