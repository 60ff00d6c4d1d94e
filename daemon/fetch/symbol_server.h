/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers named in DEBUGINFOD_URLS, asked through libdebuginfod. The library and the three dozen
 * that it brings along are loaded here, at run time, in the one process that needs them: no other
 * process of flamed has their code, and a machine that fetches nothing need not have them.
 */
#ifndef FLAME_DAEMON_FETCH_SYMBOL_SERVER_H
#define FLAME_DAEMON_FETCH_SYMBOL_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/memory.h"

#define SYMBOL_SERVER_MAX_BYTES (UINT64_C(1) << 30) /* of one file */
#define SYMBOL_SERVER_QUIET_S   20                  /* without 100 KiB more a server is given up */

struct fetch_cache;
struct symbol_server;

/*
 * Load the library. cache is borrowed for the server's life; is_cancelled, called with context
 * about once a second, ends a fetch when it returns non-zero. Errors: -ELIBACC there is no library.
 */
must_check int symbol_server_open(struct symbol_server **server, const struct fetch_cache *cache,
				  int (*is_cancelled)(void *context), void *context);
void symbol_server_close(struct symbol_server *server);
DEFINE_CLEANUP(symbol_server_close, struct symbol_server)

/*
 * Fetch the debug file of a build ID, or find it in the cache; takes limit_ms at most. *fd is open
 * for reading. Owned. Errors: -ENOENT no server has it, -ETIMEDOUT, -EFBIG, -EBADMSG what came is no
 * ELF file, -ENOSPC the cache's file system is nearly full; others as debuginfod_find_debuginfo(3).
 */
must_check int symbol_server_fetch(struct symbol_server *server, const uint8_t *build_id,
				   size_t length, uint64_t limit_ms, int *fd);

#endif
