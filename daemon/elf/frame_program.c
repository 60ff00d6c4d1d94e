/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/frame_program.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

/* Instructions whose operand is in the low bits of the first byte. */
#define PRIMARY_OPCODE  0xc0
#define PRIMARY_OPERAND 0x3f

/* A machine that runs one program. */
struct interpreter {
	struct byte_cursor cursor;
	const struct frame_program *program;
	struct unwind_rule rule;
	struct unwind_rule *remembered; /* FRAME_PROGRAM_MAX_STATES of them */
	unsigned int depth;
	uint64_t offset; /* into the function */
	int is_lost;     /* an instruction was met that cannot be followed */
	frame_program_on_rule *on_rule;
	void *context;
};

static int fits_s16(int64_t value)
{
	return value >= INT16_MIN && value <= INT16_MAX;
}

static void set_unsupported(struct unwind_rule *rule)
{
	*rule = (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
}

static void set_cfa(struct unwind_rule *rule, enum unwind_cfa kind, uint64_t number, int64_t offset,
		    int64_t addend)
{
	if (number >= UNWIND_REGISTERS || offset < INT32_MIN || offset > INT32_MAX ||
	    !fits_s16(addend)) {
		rule->cfa = UNWIND_CFA_UNSUPPORTED;
		return;
	}
	rule->cfa = (uint8_t)(kind | number << 4);
	rule->cfa_offset = (int32_t)offset;
	rule->cfa_addend = (int16_t)addend;
}

/* Say where the value of a register is; one that is not followed is passed over. */
static void set_place(struct unwind_rule *rule, uint64_t number, enum unwind_place place,
		      int64_t offset)
{
	int fits = fits_s16(offset);
	int16_t narrow = fits ? (int16_t)offset : 0;

	if (number == UNWIND_RIP) {
		rule->ra = (uint8_t)place;
		rule->ra_offset = narrow;
		if (!fits)
			rule->cfa = UNWIND_CFA_UNSUPPORTED;
	} else if (number == UNWIND_RBP) {
		rule->fp = (uint8_t)(fits ? place : UNWIND_LOST);
		rule->fp_offset = narrow;
	} else if (number == UNWIND_RBX) {
		rule->rbx = (uint8_t)(fits ? place : UNWIND_LOST);
		rule->rbx_offset = narrow;
	}
}

static void restore_place(struct interpreter *machine, uint64_t number)
{
	const struct unwind_rule *first = &machine->program->first;

	if (number == UNWIND_RIP)
		set_place(&machine->rule, number, first->ra, first->ra_offset);
	else if (number == UNWIND_RBP)
		set_place(&machine->rule, number, first->fp, first->fp_offset);
	else if (number == UNWIND_RBX)
		set_place(&machine->rule, number, first->rbx, first->rbx_offset);
}

/* Read "register + offset", which most expressions begin with. Errors: -EOPNOTSUPP. */
static int read_base(struct byte_cursor *expression, uint64_t *number, int64_t *offset)
{
	uint8_t operation = byte_cursor_u8(expression);

	if (operation >= DW_OP_breg0 && operation <= DW_OP_breg31)
		*number = operation - DW_OP_breg0;
	else if (operation == DW_OP_bregx)
		*number = byte_cursor_uleb(expression);
	else
		return -EOPNOTSUPP;
	*offset = byte_cursor_sleb(expression);
	return expression->is_overrun ? -EOPNOTSUPP : 0;
}

/*
 * What linkage entries have: they push a word, from the Nth of their 16 bytes on.
 * breg16 0; lit15; and; litN; ge; lit3; shl; plus. Returns N, or -EOPNOTSUPP.
 */
static int read_plt(struct byte_cursor *expression)
{
	static const uint8_t before[] = {DW_OP_breg16, 0, DW_OP_lit15, DW_OP_and};
	static const uint8_t after[] = {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus};
	const uint8_t *bytes = expression->at;

	if (byte_cursor_left(expression) != sizeof(before) + 1 + sizeof(after) ||
	    memcmp(bytes, before, sizeof(before)) ||
	    memcmp(bytes + sizeof(before) + 1, after, sizeof(after)))
		return -EOPNOTSUPP;
	uint8_t literal = bytes[sizeof(before)];
	return literal >= DW_OP_lit0 && literal <= DW_OP_lit15 ? literal - DW_OP_lit0 : -EOPNOTSUPP;
}

static void run_cfa_expression(struct interpreter *machine)
{
	struct byte_cursor expression = byte_cursor_block(&machine->cursor);
	int64_t offset, addend = 0;
	uint64_t number;

	machine->rule.cfa = UNWIND_CFA_UNSUPPORTED;
	if (read_base(&expression, &number, &offset))
		return;
	if (!byte_cursor_left(&expression)) {
		set_cfa(&machine->rule, UNWIND_CFA_REGISTER, number, offset, 0);
		return;
	}
	int threshold = read_plt(&expression);
	if (threshold >= 0) {
		set_cfa(&machine->rule, UNWIND_CFA_PLT, number, offset, threshold);
		return;
	}
	if (byte_cursor_u8(&expression) != DW_OP_deref)
		return;
	if (byte_cursor_left(&expression)) {
		if (byte_cursor_u8(&expression) != DW_OP_plus_uconst)
			return;
		addend = (int64_t)byte_cursor_uleb(&expression);
	}
	if (!byte_cursor_left(&expression) && !expression.is_overrun)
		set_cfa(&machine->rule,
			machine->program->is_signal ? UNWIND_CFA_SIGNAL : UNWIND_CFA_DEREF, number,
			offset, addend);
}

/* A register whose value is at an address that is computed. */
static void run_expression(struct interpreter *machine)
{
	uint64_t saved = byte_cursor_uleb(&machine->cursor);
	struct byte_cursor expression = byte_cursor_block(&machine->cursor);
	int64_t offset;
	uint64_t number;

	if (read_base(&expression, &number, &offset) || byte_cursor_left(&expression) ||
	    (number != UNWIND_RSP && number != UNWIND_RBP)) {
		set_place(&machine->rule, saved, UNWIND_LOST, 0);
		if (saved == UNWIND_RIP)
			machine->rule.cfa = UNWIND_CFA_UNSUPPORTED;
		return;
	}
	set_place(&machine->rule, saved, number == UNWIND_RSP ? UNWIND_AT_SP : UNWIND_AT_FP,
		  offset);
}

/* A register whose value is computed rather than saved: nothing that matters is found so. */
static void lose_register(struct interpreter *machine, uint64_t number)
{
	set_place(&machine->rule, number, UNWIND_LOST, 0);
	if (number == UNWIND_RIP)
		machine->rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

static void report(struct interpreter *machine)
{
	struct unwind_rule rule = machine->rule;

	if (!machine->on_rule)
		return; /* what all functions share has no place in the code */
	if ((rule.cfa & 15) == UNWIND_CFA_UNSUPPORTED || (rule.cfa & 15) == UNWIND_CFA_NONE)
		set_unsupported(&rule);
	machine->on_rule(machine->context, machine->offset, &rule);
}

/* The rule made so far ends here. */
static void advance(struct interpreter *machine, uint64_t count)
{
	uint64_t step;

	if (!count)
		return;
	report(machine);
	if (__builtin_mul_overflow(count, machine->program->code_factor, &step) ||
	    __builtin_add_overflow(machine->offset, step, &machine->offset))
		machine->offset = machine->program->limit;
}

static int64_t factored(const struct interpreter *machine, int64_t value)
{
	int64_t product;

	/* what overflows fits no rule either */
	return __builtin_mul_overflow(value, machine->program->data_factor, &product) ? INT64_MAX
										      : product;
}

static void change_cfa(struct interpreter *machine, uint64_t number, int64_t offset)
{
	set_cfa(&machine->rule, UNWIND_CFA_REGISTER, number, offset, 0);
}

static int cfa_is_register(const struct interpreter *machine)
{
	return unwind_cfa_kind(&machine->rule) == UNWIND_CFA_REGISTER;
}

static uint64_t read_number(struct interpreter *machine)
{
	return byte_cursor_uleb(&machine->cursor);
}

/* A number without sign, where a sign matters. What does not fit fits no rule either. */
static int64_t read_positive(struct interpreter *machine)
{
	return (int64_t)(byte_cursor_uleb(&machine->cursor) & INT64_MAX);
}

static int64_t read_factored(struct interpreter *machine)
{
	return factored(machine, byte_cursor_sleb(&machine->cursor));
}

static void run_nothing(struct interpreter *machine)
{
	(void)machine;
}

static void run_advance1(struct interpreter *machine)
{
	advance(machine, byte_cursor_u8(&machine->cursor));
}

static void run_advance2(struct interpreter *machine)
{
	advance(machine, byte_cursor_u16(&machine->cursor));
}

static void run_advance4(struct interpreter *machine)
{
	advance(machine, byte_cursor_u32(&machine->cursor));
}

static void run_advance8(struct interpreter *machine)
{
	advance(machine, byte_cursor_u64(&machine->cursor));
}

static void run_def_cfa(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	change_cfa(machine, number, read_positive(machine));
}

static void run_def_cfa_sf(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	change_cfa(machine, number, read_factored(machine));
}

static void run_def_cfa_register(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	if (cfa_is_register(machine))
		change_cfa(machine, number, machine->rule.cfa_offset);
	else
		machine->rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

static void change_cfa_offset(struct interpreter *machine, int64_t offset)
{
	if (cfa_is_register(machine))
		change_cfa(machine, unwind_cfa_register(&machine->rule), offset);
	else
		machine->rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

static void run_def_cfa_offset(struct interpreter *machine)
{
	change_cfa_offset(machine, read_positive(machine));
}

static void run_def_cfa_offset_sf(struct interpreter *machine)
{
	change_cfa_offset(machine, read_factored(machine));
}

static void run_remember_state(struct interpreter *machine)
{
	if (machine->depth == FRAME_PROGRAM_MAX_STATES)
		machine->is_lost = 1;
	else
		machine->remembered[machine->depth++] = machine->rule;
}

static void run_restore_state(struct interpreter *machine)
{
	if (!machine->depth)
		machine->is_lost = 1;
	else
		machine->rule = machine->remembered[--machine->depth];
}

static void run_offset_extended(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	set_place(&machine->rule, number, UNWIND_AT_CFA, factored(machine, read_positive(machine)));
}

static void run_offset_extended_sf(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	set_place(&machine->rule, number, UNWIND_AT_CFA, read_factored(machine));
}

static void run_negative_offset(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	set_place(&machine->rule, number, UNWIND_AT_CFA,
		  -factored(machine, read_positive(machine)));
}

static void run_restore(struct interpreter *machine)
{
	restore_place(machine, read_number(machine));
}

static void run_undefined(struct interpreter *machine)
{
	set_place(&machine->rule, read_number(machine), UNWIND_LOST, 0);
}

static void run_same_value(struct interpreter *machine)
{
	set_place(&machine->rule, read_number(machine), UNWIND_SAME, 0);
}

static void run_register(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	set_place(&machine->rule, number, UNWIND_IN_REGISTER, read_positive(machine));
}

static void run_val_offset(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	read_number(machine);
	lose_register(machine, number);
}

static void run_val_expression(struct interpreter *machine)
{
	uint64_t number = read_number(machine);

	byte_cursor_block(&machine->cursor);
	lose_register(machine, number);
}

static void run_args_size(struct interpreter *machine)
{
	read_number(machine);
}

/* By opcode. What is not here cannot be followed. */
static void (*const instructions[64])(struct interpreter *machine) = {
	[DW_CFA_nop] = run_nothing,
	[DW_CFA_advance_loc1] = run_advance1,
	[DW_CFA_advance_loc2] = run_advance2,
	[DW_CFA_advance_loc4] = run_advance4,
	[DW_CFA_MIPS_advance_loc8] = run_advance8,
	[DW_CFA_def_cfa] = run_def_cfa,
	[DW_CFA_def_cfa_sf] = run_def_cfa_sf,
	[DW_CFA_def_cfa_register] = run_def_cfa_register,
	[DW_CFA_def_cfa_offset] = run_def_cfa_offset,
	[DW_CFA_def_cfa_offset_sf] = run_def_cfa_offset_sf,
	[DW_CFA_def_cfa_expression] = run_cfa_expression,
	[DW_CFA_expression] = run_expression,
	[DW_CFA_remember_state] = run_remember_state,
	[DW_CFA_restore_state] = run_restore_state,
	[DW_CFA_offset_extended] = run_offset_extended,
	[DW_CFA_offset_extended_sf] = run_offset_extended_sf,
	[DW_CFA_GNU_negative_offset_extended] = run_negative_offset,
	[DW_CFA_restore_extended] = run_restore,
	[DW_CFA_undefined] = run_undefined,
	[DW_CFA_same_value] = run_same_value,
	[DW_CFA_register] = run_register,
	[DW_CFA_val_offset] = run_val_offset,
	[DW_CFA_val_offset_sf] = run_val_offset,
	[DW_CFA_val_expression] = run_val_expression,
	[DW_CFA_GNU_args_size] = run_args_size,
};

static void run_extended(struct interpreter *machine, uint8_t opcode)
{
	if (instructions[opcode])
		instructions[opcode](machine);
	else
		machine->is_lost = 1;
}

/* Run to the end of the instructions; from one that cannot be followed on nothing is known. */
static void run(struct interpreter *machine)
{
	struct byte_cursor *cursor = &machine->cursor;

	while (cursor->at < cursor->end && machine->offset < machine->program->limit) {
		uint8_t opcode = byte_cursor_u8(cursor);
		uint8_t operand = opcode & PRIMARY_OPERAND;

		switch (opcode & PRIMARY_OPCODE) {
		case DW_CFA_advance_loc:
			advance(machine, operand);
			break;
		case DW_CFA_offset:
			set_place(&machine->rule, operand, UNWIND_AT_CFA,
				  factored(machine, (int64_t)byte_cursor_uleb(cursor)));
			break;
		case DW_CFA_restore:
			restore_place(machine, operand);
			break;
		default:
			run_extended(machine, opcode);
			break;
		}
		if (machine->is_lost || cursor->is_overrun) {
			set_unsupported(&machine->rule);
			return;
		}
	}
}

void frame_program_run(const struct frame_program *program, struct unwind_rule *rule,
		       frame_program_on_rule *on_rule, void *context)
{
	struct unwind_rule remembered[FRAME_PROGRAM_MAX_STATES]; /* too many to clear each time */
	struct interpreter machine = {
		.cursor = program->instructions,
		.program = program,
		.rule = program->first,
		.remembered = remembered,
		.on_rule = on_rule,
		.context = context,
	};

	run(&machine);
	if (on_rule && machine.offset < program->limit)
		report(&machine);
	if (rule)
		*rule = machine.rule;
}
