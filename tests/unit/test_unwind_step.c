/* SPDX-License-Identifier: Apache-2.0 */
/* The step of the walk, on a stack in this process's memory. */
#include <stdint.h>
#include <string.h>

#include "bpf/unwind_step.h"
#include "common/memory.h"
#include "tests/unit/cmocka_all.h"

/* The walked stack: addresses below and behind it are not readable. */
#define FIRST_ADDRESS 0x1000
#define STACK_WORDS   64

int unwind_read(void *memory, __u64 address, __u64 *values, __u32 count)
{
	const uint64_t *stack = memory;

	for (uint32_t i = 0; i < count; i++, address += 8) {
		if (address < FIRST_ADDRESS || address % 8 ||
		    (address - FIRST_ADDRESS) / 8 >= STACK_WORDS)
			return -1;
		values[i] = stack[(address - FIRST_ADDRESS) / 8];
	}
	return 0;
}

#define CFA(kind, number) ((UNWIND_CFA_##kind) | ((number) << 4))
#define AT(word)          (FIRST_ADDRESS + 8 * (word))

/* A stack whose words tell their place, and a leaf in the middle of it. */
static struct unwind_frame start(uint64_t *stack)
{
	struct unwind_frame frame = {
		.pc = 0x400100,
		.sp = AT(10),
		.fp = AT(20),
		.is_exact = 1,
		.is_leaf = 1,
		.keeps_rbx = 1,
	};

	for (uint64_t i = 0; i < STACK_WORDS; i++)
		stack[i] = 0x500000 + i;
	for (uint64_t i = 0; i < UNWIND_REGISTERS; i++)
		frame.registers[i] = 0x600000 + i;
	return frame;
}

static void test_steps_by_rules(void **state)
{
	static const struct {
		const char *what;
		struct unwind_rule rule;
		int end;
		uint64_t pc, sp, fp;
	} cases[] = {
		{"the plain case: rsp and return address",
		 {.cfa_offset = 16,
		  .ra_offset = -8,
		  .cfa = CFA(REGISTER, UNWIND_RSP),
		  .ra = UNWIND_AT_CFA,
		  .fp = UNWIND_SAME},
		 UNWIND_GOES_ON,
		 0x500000 + 11,
		 AT(12),
		 AT(20)},
		{"frame pointer and return address are neighbours",
		 {.cfa_offset = 16,
		  .ra_offset = -8,
		  .fp_offset = -16,
		  .cfa = CFA(REGISTER, UNWIND_RBP),
		  .ra = UNWIND_AT_CFA,
		  .fp = UNWIND_AT_CFA},
		 UNWIND_GOES_ON,
		 0x500000 + 21,
		 AT(22),
		 0x500000 + 20},
		{"frame pointer elsewhere",
		 {.cfa_offset = 40,
		  .ra_offset = -8,
		  .fp_offset = -32,
		  .cfa = CFA(REGISTER, UNWIND_RSP),
		  .ra = UNWIND_AT_CFA,
		  .fp = UNWIND_AT_CFA},
		 UNWIND_GOES_ON,
		 0x500000 + 14,
		 AT(15),
		 0x500000 + 11},
		{"return address in a register, as in vfork",
		 {.cfa_offset = 8,
		  .ra_offset = UNWIND_RDI,
		  .cfa = CFA(REGISTER, UNWIND_RSP),
		  .ra = UNWIND_IN_REGISTER,
		  .fp = UNWIND_SAME},
		 UNWIND_GOES_ON,
		 0x600000 + UNWIND_RDI,
		 AT(11),
		 AT(20)},
		{"procedure linkage, before the push",
		 {.cfa_offset = 8,
		  .cfa_addend = 11,
		  .ra_offset = -8,
		  .cfa = CFA(PLT, UNWIND_RSP),
		  .ra = UNWIND_AT_CFA,
		  .fp = UNWIND_SAME},
		 UNWIND_GOES_ON,
		 0x500000 + 10,
		 AT(11),
		 AT(20)},
		{"no return address: the root",
		 {.cfa_offset = 8, .cfa = CFA(REGISTER, UNWIND_RSP), .ra = UNWIND_LOST},
		 WALK_ROOT,
		 0x400100,
		 AT(10),
		 AT(20)},
		{"no rule", {.cfa = CFA(NONE, 0)}, WALK_NO_RULE, 0x400100, AT(10), AT(20)},
		{"a rule that cannot be followed",
		 {.cfa = CFA(UNSUPPORTED, 0), .ra = UNWIND_AT_CFA},
		 WALK_UNSUPPORTED,
		 0x400100,
		 AT(10),
		 AT(20)},
		{"a stack that is not there",
		 {.cfa_offset = 100000,
		  .ra_offset = -8,
		  .cfa = CFA(REGISTER, UNWIND_RSP),
		  .ra = UNWIND_AT_CFA},
		 WALK_UNREADABLE,
		 0x400100,
		 AT(10),
		 AT(20)},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t stack[STACK_WORDS];
		struct unwind_frame frame = start(stack);
		int end = unwind_step_rule(stack, &frame, &cases[i].rule);

		if (end != cases[i].end || frame.pc != cases[i].pc || frame.sp != cases[i].sp ||
		    frame.fp != cases[i].fp)
			fail_msg("%s: end %d pc %llx sp %llx fp %llx", cases[i].what, end, frame.pc,
				 frame.sp, frame.fp);
		assert_int_equal(frame.is_leaf, end != UNWIND_GOES_ON);
	}
}

static void test_a_signal_frame_gives_an_exact_pc_and_may_change_stacks(void **state)
{
	static const struct unwind_rule rule = {
		.cfa_offset = 16,
		.ra_offset = 24,
		.fp_offset = 32,
		.cfa = CFA(SIGNAL, UNWIND_RSP),
		.ra = UNWIND_AT_SP,
		.fp = UNWIND_AT_SP,
	};
	uint64_t stack[STACK_WORDS];
	struct unwind_frame frame = start(stack);

	(void)state;
	frame.is_leaf = 0;
	stack[12] = AT(2);
	assert_int_equal(unwind_step_rule(stack, &frame, &rule), UNWIND_GOES_ON);
	assert_int_equal(frame.sp, AT(2));
	assert_int_equal(frame.pc, 0x500000 + 13);
	assert_int_equal(frame.fp, 0x500000 + 14);
	assert_int_equal(unwind_lookup_pc(&frame), frame.pc);
}

static void test_callers_are_looked_up_at_their_call(void **state)
{
	struct unwind_frame frame = {.pc = 0x1000, .is_exact = 0};

	(void)state;
	assert_int_equal(unwind_lookup_pc(&frame), 0xfff);
}

static void test_only_a_signal_may_go_down_the_stack(void **state)
{
	static const struct unwind_rule rule = {
		.cfa_offset = -16,
		.ra_offset = -8,
		.cfa = CFA(REGISTER, UNWIND_RSP),
		.ra = UNWIND_AT_CFA,
	};
	uint64_t stack[STACK_WORDS];
	struct unwind_frame frame = start(stack);

	(void)state;
	frame.is_leaf = 0;
	assert_int_equal(unwind_step_rule(stack, &frame, &rule), WALK_UNSUPPORTED);
}

static void test_registers_of_the_leaf_are_not_those_of_its_caller(void **state)
{
	static const struct unwind_rule by_r10 = {
		.cfa_offset = 8,
		.ra_offset = -8,
		.cfa = CFA(REGISTER, 10),
		.ra = UNWIND_AT_CFA,
	};
	uint64_t stack[STACK_WORDS];
	struct unwind_frame frame = start(stack);

	(void)state;
	frame.registers[10] = AT(30);
	assert_int_equal(unwind_step_rule(stack, &frame, &by_r10), UNWIND_GOES_ON);
	assert_int_equal(frame.sp, AT(31));
	assert_int_equal(unwind_step_rule(stack, &frame, &by_r10), WALK_UNSUPPORTED);
}

static void test_rbx_is_found_where_a_callee_saved_it(void **state)
{
	static const struct unwind_rule saves = {
		.cfa_offset = 24,
		.ra_offset = -8,
		.rbx_offset = -16,
		.cfa = CFA(REGISTER, UNWIND_RSP),
		.ra = UNWIND_AT_CFA,
		.rbx = UNWIND_AT_CFA,
	};
	static const struct unwind_rule uses = {
		.cfa_offset = 8,
		.ra_offset = -8,
		.cfa = CFA(REGISTER, UNWIND_RBX),
		.ra = UNWIND_AT_CFA,
	};
	uint64_t stack[STACK_WORDS];
	struct unwind_frame frame = start(stack);

	(void)state;
	stack[11] = AT(40);
	assert_int_equal(unwind_step_rule(stack, &frame, &saves), UNWIND_GOES_ON);
	assert_int_equal(unwind_step_rule(stack, &frame, &uses), UNWIND_GOES_ON);
	assert_int_equal(frame.sp, AT(41));
}

static void test_frame_pointers_end_with_zero(void **state)
{
	uint64_t stack[STACK_WORDS];
	struct unwind_frame frame = start(stack);

	(void)state;
	stack[20] = 0;
	assert_int_equal(unwind_step_pointer(stack, &frame), UNWIND_GOES_ON);
	assert_int_equal(frame.pc, 0x500000 + 21);
	assert_int_equal(frame.sp, AT(22));
	assert_int_equal(unwind_step_pointer(stack, &frame), WALK_ROOT);
	frame.fp = 12;
	assert_int_equal(unwind_step_pointer(stack, &frame), WALK_FRAME_POINTER);
	frame.fp = AT(STACK_WORDS);
	assert_int_equal(unwind_step_pointer(stack, &frame), WALK_FRAME_POINTER);
}

static void test_calls_are_recognised(void **state)
{
	static const struct {
		const char *code; /* CALL_MAX_BYTES of it */
		int is_call;
	} cases[] = {
		{"\x90\x90\xe8\x01\x02\x03\x04", 1}, /* call relative */
		{"\x90\x90\x90\x90\x90\xff\xd0", 1}, /* call *%rax */
		{"\x90\x90\x90\x90\xff\x50\x08", 1}, /* call *8(%rax) */
		{"\x90\xff\x15\x01\x02\x03\x04", 1}, /* call *disp(%rip) */
		{"\xff\x14\x25\x01\x02\x03\x04", 1}, /* call *absolute */
		{"\x90\x90\x90\x90\x90\xff\xe0", 0}, /* jmp *%rax */
		{"\x90\x90\x90\x90\x90\x90\x90", 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(unwind_is_behind_call((const uint8_t *)cases[i].code),
				 cases[i].is_call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steps_by_rules),
		cmocka_unit_test(test_a_signal_frame_gives_an_exact_pc_and_may_change_stacks),
		cmocka_unit_test(test_callers_are_looked_up_at_their_call),
		cmocka_unit_test(test_only_a_signal_may_go_down_the_stack),
		cmocka_unit_test(test_registers_of_the_leaf_are_not_those_of_its_caller),
		cmocka_unit_test(test_rbx_is_found_where_a_callee_saved_it),
		cmocka_unit_test(test_frame_pointers_end_with_zero),
		cmocka_unit_test(test_calls_are_recognised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
