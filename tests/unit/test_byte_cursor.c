/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/byte_cursor.h"

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

static struct byte_cursor cursor_of(const void *bytes, size_t size)
{
	return (struct byte_cursor){.at = bytes, .end = (const uint8_t *)bytes + size};
}

static void test_numbers_of_each_width(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	struct byte_cursor cursor = cursor_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(byte_cursor_u8(&cursor), 1);
	assert_int_equal(byte_cursor_u16(&cursor), 0x0302);
	assert_int_equal(byte_cursor_u32(&cursor), 0x07060504);
	assert_int_equal(byte_cursor_u64(&cursor), 0x0f0e0d0c0b0a0908);
	assert_int_equal(byte_cursor_left(&cursor), 0);
	assert_false(cursor.is_overrun);
}

static void test_leb128(void **state)
{
	static const struct {
		uint8_t bytes[12];
		size_t size;
		uint64_t unsigned_value;
		int64_t signed_value;
	} cases[] = {
		{{0}, 1, 0, 0},
		{{0x7f}, 1, 127, -1},
		{{0x80, 1}, 2, 128, 128},
		{{0xff, 0x7f}, 2, 16383, -1},
		{{0x80, 0x7f}, 2, 16256, -128},
		{{0xe5, 0x8e, 0x26}, 3, 624485, 624485},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 10, UINT64_MAX, -1},
		{{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1}, 12, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct byte_cursor cursor = cursor_of(cases[i].bytes, cases[i].size);
		struct byte_cursor again = cursor;

		assert_true(byte_cursor_uleb(&cursor) == cases[i].unsigned_value);
		assert_true(byte_cursor_sleb(&again) == cases[i].signed_value);
		assert_int_equal(byte_cursor_left(&cursor), 0);
		assert_false(cursor.is_overrun || again.is_overrun);
	}
}

static void test_what_lies_behind_the_end_is_zero_and_marked(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff};

	(void)state;
	struct byte_cursor cursor = cursor_of(bytes, 3);
	assert_int_equal(byte_cursor_u32(&cursor), 0);
	assert_true(cursor.is_overrun);
	assert_int_equal(byte_cursor_u8(&cursor), 0);

	cursor = cursor_of(bytes, 3);
	assert_true(byte_cursor_uleb(&cursor) == 0x1fffff);
	assert_true(cursor.is_overrun);

	cursor = cursor_of(bytes, 3);
	byte_cursor_skip(&cursor, UINT64_MAX);
	assert_true(cursor.is_overrun);
	assert_int_equal(byte_cursor_left(&cursor), 0);
}

static void test_a_block_ends_where_its_size_says_or_the_bytes_do(void **state)
{
	static const uint8_t bytes[] = {2, 10, 11, 12};
	static const uint8_t long_block[] = {100, 1};

	(void)state;
	struct byte_cursor cursor = cursor_of(bytes, sizeof(bytes));
	struct byte_cursor block = byte_cursor_block(&cursor);
	assert_int_equal(byte_cursor_left(&block), 2);
	assert_int_equal(byte_cursor_u8(&block), 10);
	assert_int_equal(byte_cursor_u8(&cursor), 12);

	cursor = cursor_of(long_block, sizeof(long_block));
	block = byte_cursor_block(&cursor);
	assert_true(cursor.is_overrun);
	assert_int_equal(byte_cursor_left(&block), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_of_each_width),
		cmocka_unit_test(test_leb128),
		cmocka_unit_test(test_what_lies_behind_the_end_is_zero_and_marked),
		cmocka_unit_test(test_a_block_ends_where_its_size_says_or_the_bytes_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
