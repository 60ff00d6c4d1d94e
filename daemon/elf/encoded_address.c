/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/encoded_address.h"

#include <dwarf.h>
#include <errno.h>

#define ENCODED_ADDRESS_RELATION 0x70

/* Errors: -EOPNOTSUPP an unknown form. */
static int read_form(struct byte_cursor *cursor, uint8_t form, uint64_t *value)
{
	switch (form) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		*value = byte_cursor_u64(cursor);
		return 0;
	case DW_EH_PE_uleb128:
		*value = byte_cursor_uleb(cursor);
		return 0;
	case DW_EH_PE_sleb128:
		*value = (uint64_t)byte_cursor_sleb(cursor);
		return 0;
	case DW_EH_PE_udata2:
		*value = byte_cursor_u16(cursor);
		return 0;
	case DW_EH_PE_sdata2:
		*value = (uint64_t)(int64_t)(int16_t)byte_cursor_u16(cursor);
		return 0;
	case DW_EH_PE_udata4:
		*value = byte_cursor_u32(cursor);
		return 0;
	case DW_EH_PE_sdata4:
		*value = (uint64_t)(int64_t)(int32_t)byte_cursor_u32(cursor);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int encoded_address_read(struct byte_cursor *cursor, uint8_t encoding, uint64_t vaddr,
			 uint64_t *address)
{
	uint8_t relation = encoding & ENCODED_ADDRESS_RELATION;
	uint64_t value;
	int error = read_form(cursor, encoding & ENCODED_ADDRESS_FORM, &value);

	if (error)
		return error;
	if (cursor->is_overrun || encoding & DW_EH_PE_indirect ||
	    (relation != DW_EH_PE_absptr && relation != DW_EH_PE_pcrel))
		return -EOPNOTSUPP;
	*address = relation == DW_EH_PE_pcrel ? value + vaddr : value;
	return 0;
}
