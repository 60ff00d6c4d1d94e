/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/call_frame.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

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

struct report {
	char text[1024];
	size_t used;
};

static const char *show_place(uint8_t place, int16_t offset)
{
	static const char *const names[] = {"same", "lost", "cfa", "sp", "fp", "r"};
	static char texts[3][32];
	static int next;
	char *text = texts[next++ % 3];

	if (place < UNWIND_AT_CFA)
		return names[place];
	snprintf(text, sizeof(texts[0]), "%s%+d", names[place], offset);
	return text;
}

static void on_rule(void *context, uint64_t offset, const struct unwind_rule *rule)
{
	static const char *const kinds[] = {"none", "unsupported", "r", "deref", "plt", "signal"};
	struct report *report = context;

	report->used += (size_t)snprintf(
		report->text + report->used, sizeof(report->text) - report->used, "%s%llx:%s",
		report->used ? "; " : "", (unsigned long long)offset, kinds[unwind_cfa_kind(rule)]);
	if (unwind_cfa_kind(rule) < UNWIND_CFA_REGISTER)
		return;
	report->used +=
		(size_t)snprintf(report->text + report->used, sizeof(report->text) - report->used,
				 "%u%+d", unwind_cfa_register(rule), rule->cfa_offset);
	if (rule->cfa_addend)
		report->used += (size_t)snprintf(report->text + report->used,
						 sizeof(report->text) - report->used, "%+d",
						 rule->cfa_addend);
	report->used += (size_t)snprintf(
		report->text + report->used, sizeof(report->text) - report->used,
		" ra %s fp %s rbx %s", show_place(rule->ra, rule->ra_offset),
		show_place(rule->fp, rule->fp_offset), show_place(rule->rbx, rule->rbx_offset));
}

/* Run instructions under a common entry with letters; returns the rules as text. */
static const char *run(const char *letters, const uint8_t *instructions, size_t size)
{
	static struct report report;
	struct section_maker maker = {.size = 0};
	struct call_frame_common common = {0};
	struct call_frame frame;
	size_t position = 0;

	report = (struct report){.used = 0};
	put_common(&maker, letters);
	put_frame(&maker, instructions, size);
	const struct call_frame_section section = {.bytes = maker.bytes, .size = maker.size};
	assert_int_equal(call_frame_next(&section, &position, &common, &frame), 1);
	assert_int_equal(frame.vaddr, FUNCTION_VADDR);
	assert_int_equal(frame.size, FUNCTION_SIZE);
	call_frame_run(&section, &frame, &common, on_rule, &report);
	assert_int_equal(call_frame_next(&section, &position, &common, &frame), 0);
	return report.text;
}

#define START "0:r7+8 ra cfa-8 fp same rbx same"

static void test_each_construction_gives_its_rule(void **state)
{
	static const struct {
		const char *expected;
		const char *letters;
		uint8_t bytes[48];
		size_t size;
	} cases[] = {
#define RUN(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})
		{START, "zR", RUN(DW_CFA_nop)},
		/* push rbp; mov rsp, rbp */
		{START "; 1:r7+16 ra cfa-8 fp cfa-16 rbx same; 4:r6+16 ra cfa-8 fp cfa-16 rbx same",
		 "zR",
		 RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | UNWIND_RBP,
		     2, DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, UNWIND_RBP)},
		{START "; 1:r7+16 ra cfa-8 fp same rbx cfa-16", "zR",
		 RUN(DW_CFA_advance_loc1, 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset_extended,
		     UNWIND_RBX, 2)},
		/* an epilogue in mid-function */
		{START "; 10:r7+16 ra cfa-8 fp cfa-16 rbx same; 20:r7+8 ra cfa-8 fp same rbx same; "
		       "30:r7+16 ra cfa-8 fp cfa-16 rbx same",
		 "zR",
		 RUN(DW_CFA_advance_loc | 16, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | UNWIND_RBP,
		     2, DW_CFA_advance_loc2, 16, 0, DW_CFA_remember_state,
		     DW_CFA_restore | UNWIND_RBP, DW_CFA_def_cfa_offset, 8, DW_CFA_advance_loc4, 16,
		     0, 0, 0, DW_CFA_restore_state)},
		/* a linkage table */
		{"0:plt7+8+11 ra cfa-8 fp same rbx same", "zR",
		 RUN(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
		     DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus)},
		/* gcc realigns the stack: the frame's own address is saved in it */
		{"0:deref6-8 ra cfa-8 fp fp+0 rbx fp-16", "zR",
		 RUN(DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref,
		     DW_CFA_expression, UNWIND_RBP, 2, DW_OP_breg6, 0, DW_CFA_expression,
		     UNWIND_RBX, 2, DW_OP_breg6, 0x70)},
		{"0:deref7+24+8 ra cfa-8 fp same rbx same", "zR",
		 RUN(DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 24, DW_OP_deref, DW_OP_plus_uconst,
		     8)},
		{"0:r10+0 ra cfa-8 fp same rbx same", "zR", RUN(DW_CFA_def_cfa, 10, 0)},
		/* the kernel's signal frame */
		{"0:signal7+160 ra sp+168 fp sp+120 rbx same", "zRS",
		 RUN(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		     DW_CFA_expression, UNWIND_RIP, 3, DW_OP_breg7, 0xa8, 1, DW_CFA_expression,
		     UNWIND_RBP, 3, DW_OP_breg7, 0xf8, 0)},
		/* the outermost frame */
		{"0:r7+8 ra lost fp same rbx same", "zR", RUN(DW_CFA_undefined, UNWIND_RIP)},
		{"0:r7+8 ra same fp same rbx same", "zR", RUN(DW_CFA_same_value, UNWIND_RIP)},
		/* vfork keeps its return address in rdi */
		{"0:r7+8 ra r+5 fp same rbx same", "zR",
		 RUN(DW_CFA_register, UNWIND_RIP, UNWIND_RDI)},
		{START, "zR", RUN(DW_CFA_GNU_args_size, 0x80, 1)},
		/* other registers do not matter */
		{START, "zR", RUN(DW_CFA_offset | 12, 3, DW_CFA_offset_extended, 0x80, 1, 3)},
		/* beyond the end of the function nothing counts */
		{START, "zR", RUN(DW_CFA_advance_loc2, 0, 1, DW_CFA_def_cfa_offset, 16)},
		{START, "zR",
		 RUN(DW_CFA_MIPS_advance_loc8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		     DW_CFA_def_cfa_offset, 16)},
		/* what cannot be followed says so from there on */
		{START "; 1:unsupported", "zR", RUN(DW_CFA_advance_loc | 1, 0x3f)},
		{START "; 1:unsupported", "zR", RUN(DW_CFA_advance_loc | 1, DW_CFA_restore_state)},
		{START "; 1:unsupported", "zR", RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa)},
		{START "; 1:unsupported; 2:r7+8 ra cfa-8 fp same rbx same", "zR",
		 RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 1, DW_OP_lit1,
		     DW_CFA_advance_loc | 1, DW_CFA_def_cfa, UNWIND_RSP, 8)},
		{"0:unsupported", "zR", RUN(DW_CFA_def_cfa, 17, 8)},
		{"0:unsupported", "zR",
		 RUN(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
		{"0:unsupported", "zR", RUN(DW_CFA_offset | UNWIND_RIP, 0x80, 0x80, 0x80, 1)},
		{"0:unsupported", "zR", RUN(DW_CFA_val_offset, UNWIND_RIP, 1)},
		{"0:r7+8 ra cfa-8 fp lost rbx same", "zR",
		 RUN(DW_CFA_val_expression, UNWIND_RBP, 1, DW_OP_lit0)},
		{"0:r7+8 ra cfa-8 fp lost rbx same", "zR",
		 RUN(DW_CFA_offset | UNWIND_RBP, 0x80, 0x80, 0x80, 1)},
#undef RUN
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(run(cases[i].letters, cases[i].bytes, cases[i].size),
				    cases[i].expected);
}

static void test_states_nest_to_the_limit(void **state)
{
	uint8_t bytes[2 * CALL_FRAME_MAX_STATES + 3];

	(void)state;
	memset(bytes, DW_CFA_remember_state, CALL_FRAME_MAX_STATES + 1);
	assert_string_equal(run("zR", bytes, CALL_FRAME_MAX_STATES), START);
	assert_string_equal(run("zR", bytes, CALL_FRAME_MAX_STATES + 1), "0:unsupported");
	memset(bytes + CALL_FRAME_MAX_STATES, DW_CFA_restore_state, CALL_FRAME_MAX_STATES);
	assert_string_equal(run("zR", bytes, (size_t)2 * CALL_FRAME_MAX_STATES), START);
}

static unsigned int count_frames(const struct section_maker *maker, size_t size, int ends_at_zero)
{
	const struct call_frame_section section = {
		.bytes = maker->bytes, .size = size, .ends_at_zero = ends_at_zero};
	struct call_frame_common common = {0};
	struct report report = {.used = 0};
	struct call_frame frame;
	size_t position = 0;
	unsigned int count = 0;

	while (call_frame_next(&section, &position, &common, &frame)) {
		assert_true((uint64_t)frame.instructions + frame.instruction_size <= size);
		call_frame_run(&section, &frame, &common, on_rule, &report);
		report.used = 0;
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
		cmocka_unit_test(test_each_construction_gives_its_rule),
		cmocka_unit_test(test_states_nest_to_the_limit),
		cmocka_unit_test(test_records_without_length_in_the_middle_are_passed_over),
		cmocka_unit_test(test_truncated_and_damaged_sections_end_the_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
