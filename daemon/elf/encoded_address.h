/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses as .eh_frame and .eh_frame_hdr write them: a byte says in which form and relative to
 * what (DW_EH_PE_… of the Linux Standard Base). */
#ifndef FLAME_DAEMON_ELF_ENCODED_ADDRESS_H
#define FLAME_DAEMON_ELF_ENCODED_ADDRESS_H

#include <stdint.h>

#include "common/memory.h"
#include "daemon/elf/byte_cursor.h"

#define ENCODED_ADDRESS_FORM 0x0f /* of the byte: without what it is relative to */

/*
 * Read an address whose bytes are mapped at vaddr: absolute ones and ones relative to themselves.
 * Errors: -EOPNOTSUPP another kind, or not enough bytes.
 */
must_check int encoded_address_read(struct byte_cursor *cursor, uint8_t encoding, uint64_t vaddr,
				    uint64_t *address);

#endif
