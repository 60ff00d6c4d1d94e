/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/call_frame.h"

#include <dwarf.h>
#include <string.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define FUNCTION_VADDR 0x1000
#define FUNCTION_SIZE  0x100

/* A section made of one common entry and one frame. */
struct section_maker {
	uint8_t bytes[2048];
	size_t size;
};

static void put(struct section_maker *maker, const void *bytes, size_t size)
{
	assert_true(maker->size + size <= sizeof(maker->bytes));
	memcpy(maker->bytes + maker->size, bytes, size);
	maker->size += size;
}

static void put_u32(struct section_maker *maker, uint32_t value)
{
	put(maker, &value, sizeof(value));
}

/* A common entry as gcc writes it: CFA is rsp + 8, the return address just below. */
static void put_common(struct section_maker *maker, const char *letters)
{
	static const uint8_t head[] = {1, 0x78, 16}; /* code factor 1, data factor -8, rip */
	static const uint8_t data[] = {1, DW_EH_PE_absptr};
	static const uint8_t rules[] = {
		DW_CFA_def_cfa, UNWIND_RSP, 8, DW_CFA_offset | UNWIND_RIP, 1, DW_CFA_nop};
	size_t start = maker->size;
	uint32_t length;

	put_u32(maker, 0);
	put_u32(maker, 0);
	put(maker, "\1", 1);
	put(maker, letters, strlen(letters) + 1);
	put(maker, head, sizeof(head));
	put(maker, data, sizeof(data));
	put(maker, rules, sizeof(rules));
	length = (uint32_t)(maker->size - start - 4);
	memcpy(maker->bytes + start, &length, 4);
}

static void put_frame(struct section_maker *maker, const uint8_t *instructions, size_t size)
{
	const uint64_t range[] = {FUNCTION_VADDR, FUNCTION_SIZE};

	put_u32(maker, (uint32_t)(4 + sizeof(range) + 1 + size));
	put_u32(maker, (uint32_t)maker->size); /* back to the common entry at 0 */
	put(maker, range, sizeof(range));
	put(maker, "\0", 1);
	put(maker, instructions, size);
}

/* What was reported of a frame: offsets and frame addresses. */
struct report {
	uint64_t offsets[8];
	int32_t cfa_offsets[8];
	size_t count;
};

static void on_rule(void *context, uint64_t offset, const struct unwind_rule *rule)
{
	struct report *report = context;

	if (report->count == 8)
		return;
	report->offsets[report->count] = offset;
	report->cfa_offsets[report->count++] = rule->cfa_offset;
}

static void test_a_frame_goes_on_from_what_all_frames_share(void **state)
{
	static const uint8_t instructions[] = {DW_CFA_advance_loc | 4, DW_CFA_def_cfa_offset, 16};
	struct section_maker maker = {.size = 0};
	struct call_frame_common common = {0};
	struct report report = {.count = 0};
	struct call_frame frame;
	size_t position = 0;

	(void)state;
	put_common(&maker, "zR");
	put_frame(&maker, instructions, sizeof(instructions));
	const struct call_frame_section section = {.bytes = maker.bytes, .size = maker.size};
	assert_int_equal(call_frame_next(&section, &position, &common, &frame), 1);
	assert_int_equal(frame.vaddr, FUNCTION_VADDR);
	assert_int_equal(frame.size, FUNCTION_SIZE);
	call_frame_run(&section, &frame, &common, on_rule, &report);
	assert_int_equal(report.count, 2);
	assert_int_equal(report.offsets[0], 0);
	assert_int_equal(report.cfa_offsets[0], 8);
	assert_int_equal(report.offsets[1], 4);
	assert_int_equal(report.cfa_offsets[1], 16);
	assert_int_equal(call_frame_next(&section, &position, &common, &frame), 0);
}

static unsigned int count_frames(const struct section_maker *maker, size_t size, int ends_at_zero)
{
	const struct call_frame_section section = {
		.bytes = maker->bytes, .size = size, .ends_at_zero = ends_at_zero};
	struct call_frame_common common = {0};
	struct report report = {.count = 0};
	struct call_frame frame;
	size_t position = 0;
	unsigned int count = 0;

	while (call_frame_next(&section, &position, &common, &frame)) {
		assert_true((uint64_t)frame.instructions + frame.instruction_size <= size);
		call_frame_run(&section, &frame, &common, on_rule, &report);
		report.count = 0;
		count++;
	}
	return count;
}

static void test_records_without_length_in_the_middle_are_passed_over(void **state)
{
	static const uint8_t nothing[] = {DW_CFA_nop};
	struct section_maker maker = {.size = 0};

	(void)state;
	put_common(&maker, "zR");
	put_frame(&maker, nothing, 1);
	put_u32(&maker, 0);
	put_frame(&maker, nothing, 1);
	put_u32(&maker, 0);
	assert_int_equal(count_frames(&maker, maker.size, 0), 2);
	assert_int_equal(count_frames(&maker, maker.size, 1), 1);
}

static void test_truncated_and_damaged_sections_end_the_reading(void **state)
{
	static const uint8_t instructions[] = {DW_CFA_advance_loc | 1,
					       DW_CFA_def_cfa_offset,
					       16,
					       DW_CFA_def_cfa_expression,
					       3,
					       DW_OP_breg6,
					       0x78,
					       DW_OP_deref};
	struct section_maker maker = {.size = 0};
	uint64_t random = 3;

	(void)state;
	put_common(&maker, "zPLR");
	put_frame(&maker, instructions, sizeof(instructions));
	for (size_t size = 0; size < maker.size; size++)
		assert_int_equal(count_frames(&maker, size, 0), 0);
	for (unsigned int attempt = 0; attempt < 20000; attempt++) {
		struct section_maker damaged = maker;

		for (unsigned int i = 0; i <= attempt % 4; i++) {
			random = random * UINT64_C(6364136223846793005) + 1;
			damaged.bytes[(random >> 33) % damaged.size] = (uint8_t)(random >> 20);
		}
		assert_true(count_frames(&damaged, damaged.size, 0) <= damaged.size / 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frame_goes_on_from_what_all_frames_share),
		cmocka_unit_test(test_records_without_length_in_the_middle_are_passed_over),
		cmocka_unit_test(test_truncated_and_damaged_sections_end_the_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
