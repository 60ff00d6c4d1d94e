/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/encoded_address.h"

#include <dwarf.h>
#include <errno.h>

#include "tests/unit/cmocka_all.h"

#define VADDR 0x1000

static void test_each_encoding(void **state)
{
	static const uint8_t bytes[8] = {0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f};
	static const struct {
		uint8_t encoding;
		int error;
		uint64_t address;
	} cases[] = {
		{DW_EH_PE_absptr, 0, 0x0ffffffffffffff0},
		{DW_EH_PE_udata8, 0, 0x0ffffffffffffff0},
		{DW_EH_PE_sdata8, 0, 0x0ffffffffffffff0},
		{DW_EH_PE_udata4, 0, 0xfffffff0},
		{DW_EH_PE_sdata4, 0, (uint64_t)-16},
		{DW_EH_PE_udata2, 0, 0xfff0},
		{DW_EH_PE_sdata2, 0, (uint64_t)-16},
		{DW_EH_PE_uleb128, 0, 0x1ffffffffffff0 | UINT64_C(0xf) << 49},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata4, 0, VADDR - 16},
		{DW_EH_PE_pcrel | DW_EH_PE_udata2, 0, VADDR + 0xfff0},
		{DW_EH_PE_datarel | DW_EH_PE_sdata4, -EOPNOTSUPP, 0},
		{DW_EH_PE_textrel | DW_EH_PE_sdata4, -EOPNOTSUPP, 0},
		{DW_EH_PE_indirect | DW_EH_PE_sdata4, -EOPNOTSUPP, 0},
		{DW_EH_PE_omit, -EOPNOTSUPP, 0},
		{0x05, -EOPNOTSUPP, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct byte_cursor cursor = {.at = bytes, .end = bytes + sizeof(bytes)};
		uint64_t address = 0;

		assert_int_equal(encoded_address_read(&cursor, cases[i].encoding, VADDR, &address),
				 cases[i].error);
		if (address != cases[i].address)
			fail_msg("encoding %#x: %#llx", cases[i].encoding,
				 (unsigned long long)address);
	}
}

static void test_too_few_bytes(void **state)
{
	static const uint8_t bytes[3] = {1, 2, 3};
	struct byte_cursor cursor = {.at = bytes, .end = bytes + sizeof(bytes)};
	uint64_t address = 7;

	(void)state;
	assert_int_equal(encoded_address_read(&cursor, DW_EH_PE_udata4, VADDR, &address),
			 -EOPNOTSUPP);
	assert_int_equal(address, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_encoding),
		cmocka_unit_test(test_too_few_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
