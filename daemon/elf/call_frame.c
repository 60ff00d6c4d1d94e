/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/call_frame.h"

#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "daemon/elf/byte_cursor.h"
#include "daemon/elf/encoded_address.h"

#define ADDRESS_BYTES 8

/* Instructions whose operand is in the low bits of the first byte. */
#define PRIMARY_OPCODE  0xc0
#define PRIMARY_OPERAND 0x3f

/* A machine that runs the instructions of one frame. */
struct interpreter {
	struct byte_cursor cursor;
	const struct call_frame_common *common;
	struct unwind_rule rule;
	struct unwind_rule remembered[CALL_FRAME_MAX_STATES];
	unsigned int depth;
	uint64_t offset; /* into the function */
	uint64_t limit;  /* size of the function */
	int is_lost;     /* an instruction was met that cannot be followed */
	call_frame_on_rule *on_rule;
	void *context;
};

static struct byte_cursor cursor_at(const struct call_frame_section *section, size_t position,
				    size_t size)
{
	return (struct byte_cursor){
		.at = section->bytes + position,
		.end = section->bytes + position + size,
	};
}

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
	const struct unwind_rule *first = &machine->common->rule;

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

/* Take the block of bytes that is the operand of an instruction. */
static struct byte_cursor read_block(struct byte_cursor *cursor)
{
	uint64_t size = byte_cursor_uleb(cursor);
	struct byte_cursor block = {.at = cursor->at};

	byte_cursor_skip(cursor, size);
	block.end = cursor->at;
	return block;
}

static void run_cfa_expression(struct interpreter *machine)
{
	struct byte_cursor expression = read_block(&machine->cursor);
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
			machine->common->is_signal ? UNWIND_CFA_SIGNAL : UNWIND_CFA_DEREF, number,
			offset, addend);
}

/* A register whose value is at an address that is computed. */
static void run_expression(struct interpreter *machine)
{
	uint64_t saved = byte_cursor_uleb(&machine->cursor);
	struct byte_cursor expression = read_block(&machine->cursor);
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
		return;
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
	if (__builtin_mul_overflow(count, machine->common->code_factor, &step) ||
	    __builtin_add_overflow(machine->offset, step, &machine->offset))
		machine->offset = machine->limit;
}

static int64_t factored(const struct interpreter *machine, int64_t value)
{
	int64_t product;

	/* what overflows fits no rule either */
	return __builtin_mul_overflow(value, machine->common->data_factor, &product) ? INT64_MAX
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

static void change_cfa_register(struct interpreter *machine, uint64_t number)
{
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

static void remember(struct interpreter *machine)
{
	if (machine->depth == CALL_FRAME_MAX_STATES)
		machine->is_lost = 1;
	else
		machine->remembered[machine->depth++] = machine->rule;
}

static void recall(struct interpreter *machine)
{
	if (!machine->depth)
		machine->is_lost = 1;
	else
		machine->rule = machine->remembered[--machine->depth];
}

/* Instructions about where registers are. Returns 0 for one that is none of them. */
static int run_place(struct interpreter *machine, uint8_t opcode)
{
	struct byte_cursor *cursor = &machine->cursor;
	uint64_t number = byte_cursor_uleb(cursor);

	switch (opcode) {
	case DW_CFA_offset_extended:
		set_place(&machine->rule, number, UNWIND_AT_CFA,
			  factored(machine, (int64_t)byte_cursor_uleb(cursor)));
		return 1;
	case DW_CFA_offset_extended_sf:
		set_place(&machine->rule, number, UNWIND_AT_CFA,
			  factored(machine, byte_cursor_sleb(cursor)));
		return 1;
	case DW_CFA_GNU_negative_offset_extended:
		set_place(&machine->rule, number, UNWIND_AT_CFA,
			  -factored(machine, (int64_t)byte_cursor_uleb(cursor)));
		return 1;
	case DW_CFA_restore_extended:
		restore_place(machine, number);
		return 1;
	case DW_CFA_undefined:
		set_place(&machine->rule, number, UNWIND_LOST, 0);
		return 1;
	case DW_CFA_same_value:
		set_place(&machine->rule, number, UNWIND_SAME, 0);
		return 1;
	case DW_CFA_register:
		set_place(&machine->rule, number, UNWIND_IN_REGISTER,
			  (int64_t)(byte_cursor_uleb(cursor) & INT64_MAX));
		return 1;
	case DW_CFA_val_offset:
	case DW_CFA_val_offset_sf:
		byte_cursor_uleb(cursor);
		lose_register(machine, number);
		return 1;
	case DW_CFA_val_expression:
		read_block(cursor);
		lose_register(machine, number);
		return 1;
	default:
		return 0;
	}
}

static void run_extended(struct interpreter *machine, uint8_t opcode)
{
	struct byte_cursor *cursor = &machine->cursor;
	uint64_t number;

	switch (opcode) {
	case DW_CFA_nop:
		break;
	case DW_CFA_advance_loc1:
		advance(machine, byte_cursor_u8(cursor));
		break;
	case DW_CFA_advance_loc2:
		advance(machine, byte_cursor_u16(cursor));
		break;
	case DW_CFA_advance_loc4:
		advance(machine, byte_cursor_u32(cursor));
		break;
	case DW_CFA_MIPS_advance_loc8:
		advance(machine, byte_cursor_u64(cursor));
		break;
	case DW_CFA_def_cfa:
		number = byte_cursor_uleb(cursor);
		change_cfa(machine, number, (int64_t)(byte_cursor_uleb(cursor) & INT64_MAX));
		break;
	case DW_CFA_def_cfa_sf:
		number = byte_cursor_uleb(cursor);
		change_cfa(machine, number, factored(machine, byte_cursor_sleb(cursor)));
		break;
	case DW_CFA_def_cfa_register:
		change_cfa_register(machine, byte_cursor_uleb(cursor));
		break;
	case DW_CFA_def_cfa_offset:
		change_cfa_offset(machine, (int64_t)(byte_cursor_uleb(cursor) & INT64_MAX));
		break;
	case DW_CFA_def_cfa_offset_sf:
		change_cfa_offset(machine, factored(machine, byte_cursor_sleb(cursor)));
		break;
	case DW_CFA_def_cfa_expression:
		run_cfa_expression(machine);
		break;
	case DW_CFA_expression:
		run_expression(machine);
		break;
	case DW_CFA_remember_state:
		remember(machine);
		break;
	case DW_CFA_restore_state:
		recall(machine);
		break;
	case DW_CFA_GNU_args_size:
		byte_cursor_uleb(cursor);
		break;
	default:
		if (!run_place(machine, opcode))
			machine->is_lost = 1;
		break;
	}
}

/* Run to the end of the instructions; from one that cannot be followed on nothing is known. */
static void run(struct interpreter *machine)
{
	struct byte_cursor *cursor = &machine->cursor;

	while (cursor->at < cursor->end && machine->offset < machine->limit) {
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

/* A record of the section: a common entry or a frame. */
struct record {
	size_t start;
	size_t content; /* behind the length */
	size_t end;
	int is_wide; /* numbers that say where something is take 8 bytes */
};

/* Read the length of the record at position. Errors: -ENOENT the end, or it makes no sense. */
static int read_record(const struct call_frame_section *section, size_t position,
		       struct record *record)
{
	struct byte_cursor cursor = cursor_at(section, position, section->size - position);
	uint64_t length = byte_cursor_u32(&cursor);

	record->start = position;
	record->is_wide = length == UINT32_MAX;
	if (record->is_wide)
		length = byte_cursor_u64(&cursor);
	if (cursor.is_overrun || length > byte_cursor_left(&cursor))
		return -ENOENT;
	record->content = (size_t)(cursor.at - section->bytes);
	record->end = record->content + (size_t)length;
	return 0;
}

static uint64_t read_id(struct byte_cursor *cursor, const struct record *record)
{
	return record->is_wide ? byte_cursor_u64(cursor) : byte_cursor_u32(cursor);
}

/* Read what the letters of an augmentation announce. Errors: -EOPNOTSUPP an unknown letter. */
static int read_augmentation(struct byte_cursor *cursor, const char *letters,
			     struct call_frame_common *common)
{
	uint64_t ignored;
	uint8_t encoding;

	for (; *letters; letters++) {
		switch (*letters) {
		case 'L':
			byte_cursor_u8(cursor);
			break;
		case 'P':
			encoding = byte_cursor_u8(cursor);
			/* where it points to does not matter, only how long it is */
			if (encoded_address_read(cursor, encoding & ENCODED_ADDRESS_FORM, 0,
						 &ignored))
				return -EOPNOTSUPP;
			break;
		case 'R':
			common->encoding = byte_cursor_u8(cursor);
			break;
		case 'S':
			common->is_signal = 1;
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* Read the head of a common entry, up to its instructions. Errors: -EOPNOTSUPP. */
static int read_common_head(struct byte_cursor *cursor, struct call_frame_common *common)
{
	uint8_t version = byte_cursor_u8(cursor);
	const char *letters = (const char *)cursor->at;
	uint64_t return_register;

	byte_cursor_skip(cursor, strnlen(letters, byte_cursor_left(cursor)) + 1);
	if (cursor->is_overrun || (version != 1 && version != 3 && version != 4))
		return -EOPNOTSUPP;
	if (version == 4 && (byte_cursor_u8(cursor) != ADDRESS_BYTES || byte_cursor_u8(cursor)))
		return -EOPNOTSUPP;
	if (letters[0] == 'e' && letters[1] == 'h') {
		byte_cursor_skip(cursor, ADDRESS_BYTES);
		letters += 2;
	}
	common->code_factor = byte_cursor_uleb(cursor);
	common->data_factor = byte_cursor_sleb(cursor);
	return_register = version == 1 ? byte_cursor_u8(cursor) : byte_cursor_uleb(cursor);
	if (return_register != UNWIND_RIP || cursor->is_overrun)
		return -EOPNOTSUPP;
	if (*letters != 'z')
		return *letters ? -EOPNOTSUPP : 0;
	common->has_augmentation = 1;
	struct byte_cursor data = read_block(cursor);
	return read_augmentation(&data, letters + 1, common) || data.is_overrun ? -EOPNOTSUPP : 0;
}

static void read_common(const struct call_frame_section *section, size_t position,
			struct call_frame_common *common)
{
	struct interpreter machine = {.common = common, .limit = UINT64_MAX};
	struct record record;

	*common = (struct call_frame_common){.position = (uint32_t)position, .is_known = 1};
	if (read_record(section, position, &record))
		return;
	struct byte_cursor cursor = cursor_at(section, record.content, record.end - record.content);
	if (read_id(&cursor, &record) || read_common_head(&cursor, common))
		return;
	machine.cursor = cursor;
	run(&machine);
	common->rule = machine.rule;
	common->is_usable = 1;
}

static void find_common(const struct call_frame_section *section, size_t position,
			struct call_frame_common *common)
{
	if (!common->is_known || common->position != position)
		read_common(section, position, common);
}

/* Read the frame in record. Errors: -ENOENT it is none, or makes no sense. */
static int read_frame(const struct call_frame_section *section, const struct record *record,
		      struct call_frame_common *common, struct call_frame *frame)
{
	struct byte_cursor cursor =
		cursor_at(section, record->content, record->end - record->content);
	uint64_t distance = read_id(&cursor, record);

	if (!distance || distance > record->content || cursor.is_overrun)
		return -ENOENT;
	frame->common = (uint32_t)(record->content - distance);
	find_common(section, frame->common, common);
	if (!common->is_usable)
		return -ENOENT;
	uint64_t vaddr = section->vaddr + (uint64_t)(cursor.at - section->bytes);
	if (encoded_address_read(&cursor, common->encoding, vaddr, &frame->vaddr) ||
	    encoded_address_read(&cursor, common->encoding & ENCODED_ADDRESS_FORM, 0, &frame->size))
		return -ENOENT;
	if (common->has_augmentation)
		read_block(&cursor);
	if (cursor.is_overrun)
		return -ENOENT;
	frame->instructions = (uint32_t)(cursor.at - section->bytes);
	frame->instruction_size = (uint32_t)byte_cursor_left(&cursor);
	return 0;
}

int call_frame_next(const struct call_frame_section *section, size_t *position,
		    struct call_frame_common *common, struct call_frame *frame)
{
	struct record record;

	while (*position < section->size && !read_record(section, *position, &record)) {
		*position = record.end;
		/* Files that come with the C library put records of no length in mid-section. */
		if (record.content == record.end) {
			if (section->ends_at_zero)
				return 0;
			continue;
		}
		if (!read_frame(section, &record, common, frame))
			return 1;
	}
	return 0;
}

void call_frame_run(const struct call_frame_section *section, const struct call_frame *frame,
		    struct call_frame_common *common, call_frame_on_rule *on_rule, void *context)
{
	find_common(section, frame->common, common);
	struct interpreter machine = {
		.cursor = cursor_at(section, frame->instructions, frame->instruction_size),
		.common = common,
		.rule = common->rule,
		.limit = frame->size,
		.on_rule = on_rule,
		.context = context,
	};

	run(&machine);
	if (machine.offset < machine.limit)
		report(&machine);
}
