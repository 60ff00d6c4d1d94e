/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compiles the .eh_frame of a file into the rows by which its callers are found. Code that returns
 * from a signal handler and has no such information (musl's, Go's) is recognised by its bytes.
 */
#ifndef FLAME_DAEMON_ELF_UNWIND_ROWS_H
#define FLAME_DAEMON_ELF_UNWIND_ROWS_H

#include "daemon/elf/elf_file.h"
#include "daemon/elf/function_list.h"
#include "daemon/elf/row_table.h"

/* Padding between two functions that is shorter than this keeps the rule of the first. */
#define UNWIND_ROWS_MIN_GAP 16 /* bytes */

/* More functions than any file has; what comes behind is left out. */
#define UNWIND_ROWS_MAX_FRAMES (UINT32_C(4) << 20)

/*
 * Fill rows, which is initialised already, from file, and functions (may be NULL) with where its
 * functions are. Files of other machines than x86-64 and files without call frame information give
 * (nearly) none.
 */
void unwind_rows_read(const struct elf_file *file, struct row_table *rows,
		      struct function_list *functions);

/* Fill functions alone, which takes less time. */
void unwind_rows_list(const struct elf_file *file, struct function_list *functions);

#endif
