/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/frame_program.h"

#include <dwarf.h>
#include <stdio.h>
#include <string.h>

#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

#define FUNCTION_SIZE 0x100

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

/* Run instructions as gcc writes them; returns the rules as text. */
static const char *run(int is_signal, const uint8_t *instructions, size_t size)
{
	static struct report report;
	struct frame_program program = {
		.instructions = {.at = instructions, .end = instructions + size},
		.code_factor = 1,
		.data_factor = -8,
		.is_signal = is_signal,
		.limit = FUNCTION_SIZE,
		.first = {.cfa = UNWIND_CFA_REGISTER | UNWIND_RSP << 4,
			  .cfa_offset = 8,
			  .ra = UNWIND_AT_CFA,
			  .ra_offset = -8},
	};

	report = (struct report){.used = 0};
	frame_program_run(&program, NULL, on_rule, &report);
	return report.text;
}

#define START "0:r7+8 ra cfa-8 fp same rbx same"

static void test_each_construction_gives_its_rule(void **state)
{
	static const struct {
		const char *expected;
		int is_signal;
		uint8_t bytes[48];
		size_t size;
	} cases[] = {
#define RUN(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})
		{START, 0, RUN(DW_CFA_nop)},
		/* push rbp; mov rsp, rbp */
		{START "; 1:r7+16 ra cfa-8 fp cfa-16 rbx same; 4:r6+16 ra cfa-8 fp cfa-16 rbx same",
		 0,
		 RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | UNWIND_RBP,
		     2, DW_CFA_advance_loc | 3, DW_CFA_def_cfa_register, UNWIND_RBP)},
		{START "; 1:r7+16 ra cfa-8 fp same rbx cfa-16", 0,
		 RUN(DW_CFA_advance_loc1, 1, DW_CFA_def_cfa_offset, 16, DW_CFA_offset_extended,
		     UNWIND_RBX, 2)},
		/* an epilogue in mid-function */
		{START "; 10:r7+16 ra cfa-8 fp cfa-16 rbx same; 20:r7+8 ra cfa-8 fp same rbx same; "
		       "30:r7+16 ra cfa-8 fp cfa-16 rbx same",
		 0,
		 RUN(DW_CFA_advance_loc | 16, DW_CFA_def_cfa_offset, 16, DW_CFA_offset | UNWIND_RBP,
		     2, DW_CFA_advance_loc2, 16, 0, DW_CFA_remember_state,
		     DW_CFA_restore | UNWIND_RBP, DW_CFA_def_cfa_offset, 8, DW_CFA_advance_loc4, 16,
		     0, 0, 0, DW_CFA_restore_state)},
		/* a linkage table */
		{"0:plt7+8+11 ra cfa-8 fp same rbx same", 0,
		 RUN(DW_CFA_def_cfa_expression, 11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
		     DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus)},
		/* gcc realigns the stack: the frame's own address is saved in it */
		{"0:deref6-8 ra cfa-8 fp fp+0 rbx fp-16", 0,
		 RUN(DW_CFA_def_cfa_expression, 3, DW_OP_breg6, 0x78, DW_OP_deref,
		     DW_CFA_expression, UNWIND_RBP, 2, DW_OP_breg6, 0, DW_CFA_expression,
		     UNWIND_RBX, 2, DW_OP_breg6, 0x70)},
		{"0:deref7+24+8 ra cfa-8 fp same rbx same", 0,
		 RUN(DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 24, DW_OP_deref, DW_OP_plus_uconst,
		     8)},
		{"0:r10+0 ra cfa-8 fp same rbx same", 0, RUN(DW_CFA_def_cfa, 10, 0)},
		/* the kernel's signal frame */
		{"0:signal7+160 ra sp+168 fp sp+120 rbx same", 1,
		 RUN(DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 1, DW_OP_deref,
		     DW_CFA_expression, UNWIND_RIP, 3, DW_OP_breg7, 0xa8, 1, DW_CFA_expression,
		     UNWIND_RBP, 3, DW_OP_breg7, 0xf8, 0)},
		/* the outermost frame */
		{"0:r7+8 ra lost fp same rbx same", 0, RUN(DW_CFA_undefined, UNWIND_RIP)},
		{"0:r7+8 ra same fp same rbx same", 0, RUN(DW_CFA_same_value, UNWIND_RIP)},
		/* vfork keeps its return address in rdi */
		{"0:r7+8 ra r+5 fp same rbx same", 0, RUN(DW_CFA_register, UNWIND_RIP, UNWIND_RDI)},
		{START, 0, RUN(DW_CFA_GNU_args_size, 0x80, 1)},
		/* other registers do not matter */
		{START, 0, RUN(DW_CFA_offset | 12, 3, DW_CFA_offset_extended, 0x80, 1, 3)},
		/* beyond the end of the function nothing counts */
		{START, 0, RUN(DW_CFA_advance_loc2, 0, 1, DW_CFA_def_cfa_offset, 16)},
		{START, 0,
		 RUN(DW_CFA_MIPS_advance_loc8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		     DW_CFA_def_cfa_offset, 16)},
		/* what cannot be followed says so from there on */
		{START "; 1:unsupported", 0, RUN(DW_CFA_advance_loc | 1, 0x3f)},
		{START "; 1:unsupported", 0, RUN(DW_CFA_advance_loc | 1, DW_CFA_restore_state)},
		{START "; 1:unsupported", 0, RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa)},
		{START "; 1:unsupported; 2:r7+8 ra cfa-8 fp same rbx same", 0,
		 RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 1, DW_OP_lit1,
		     DW_CFA_advance_loc | 1, DW_CFA_def_cfa, UNWIND_RSP, 8)},
		{"0:unsupported", 0, RUN(DW_CFA_def_cfa, 17, 8)},
		{"0:unsupported", 0, RUN(DW_CFA_def_cfa_offset, 0xff, 0xff, 0xff, 0xff, 0xff, 1)},
		{"0:unsupported", 0, RUN(DW_CFA_offset | UNWIND_RIP, 0x80, 0x80, 0x80, 1)},
		{"0:unsupported", 0, RUN(DW_CFA_val_offset, UNWIND_RIP, 1)},
		{"0:r7+8 ra cfa-8 fp lost rbx same", 0,
		 RUN(DW_CFA_val_expression, UNWIND_RBP, 1, DW_OP_lit0)},
		{"0:r7+8 ra cfa-8 fp lost rbx same", 0,
		 RUN(DW_CFA_offset | UNWIND_RBP, 0x80, 0x80, 0x80, 1)},
#undef RUN
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(run(cases[i].is_signal, cases[i].bytes, cases[i].size),
				    cases[i].expected);
}

static void test_truncated_programs_end_the_reading(void **state)
{
	static const uint8_t whole[] = {DW_CFA_advance_loc | 1,
					DW_CFA_def_cfa_expression,
					3,
					DW_OP_breg6,
					0x78,
					DW_OP_deref,
					DW_CFA_expression,
					6,
					2,
					DW_OP_breg6,
					0,
					DW_CFA_val_offset,
					12,
					0x80,
					1};

	(void)state;
	for (size_t size = 0; size < sizeof(whole); size++)
		assert_memory_equal(run(0, whole, size), START, sizeof(START) - 1);
}

static void test_states_nest_to_the_limit(void **state)
{
	uint8_t bytes[2 * FRAME_PROGRAM_MAX_STATES + 3];

	(void)state;
	memset(bytes, DW_CFA_remember_state, FRAME_PROGRAM_MAX_STATES + 1);
	assert_string_equal(run(0, bytes, FRAME_PROGRAM_MAX_STATES), START);
	assert_string_equal(run(0, bytes, FRAME_PROGRAM_MAX_STATES + 1), "0:unsupported");
	memset(bytes + FRAME_PROGRAM_MAX_STATES, DW_CFA_restore_state, FRAME_PROGRAM_MAX_STATES);
	assert_string_equal(run(0, bytes, (size_t)2 * FRAME_PROGRAM_MAX_STATES), START);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_construction_gives_its_rule),
		cmocka_unit_test(test_truncated_programs_end_the_reading),
		cmocka_unit_test(test_states_nest_to_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
