/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A decoder of the instructions that compilers put at the beginning of functions. Whatever it does
 * not know ends the search, so a gap in it costs a cheap probe, never a wrong one.
 */
#include "daemon/elf/probe_site.h"

#include <errno.h>

#include "daemon/elf/byte_cursor.h"

#define NUMBER_RDX 2
#define NUMBER_RSP 4
#define NUMBER_RSI 6
#define NUMBER_RDI 7
#define NO_NUMBER  0xff

enum prefix {
	PREFIX_66 = 1,
	PREFIX_REPEAT = 2,  /* f2, f3 */
	PREFIX_SEGMENT = 4, /* fs, gs: thread-local storage */
};

/* What is known of an instruction. */
struct instruction {
	uint32_t prefixes; /* enum prefix */
	uint8_t rex;
	uint8_t opcode;
	uint8_t opcode_0f; /* the second byte, when opcode is 0f */
	uint8_t modrm;
	size_t length;
};

/* What becomes of the operands. */
enum effect {
	STOP,          /* not known, or it does what must not be stepped over */
	READS,         /* registers are read alone */
	WRITES_REG,    /* the register in the reg field */
	WRITES_RM,     /* the register, or memory, in the rm field */
	WRITES_OPCODE, /* the register in the opcode */
	WRITES_XMM,    /* a vector register, or memory from one */
	GROUP_80,      /* arithmetic with a constant; number 7 is a comparison */
	GROUP_F7,      /* test, not, neg; the others write rax and rdx */
};

/* How an opcode is laid out behind its prefixes. */
struct layout {
	uint8_t first;
	uint8_t last; /* opcodes first to last, in steps of step */
	uint8_t step;
	uint8_t effect; /* enum effect */
	uint8_t has_modrm;
	uint8_t constant_bytes; /* 4: 2 with the prefix 66 */
};

static const struct layout one_byte[] = {
	{0x01, 0x31, 8, WRITES_RM, 1, 0},     {0x03, 0x33, 8, WRITES_REG, 1, 0}, /* add … xor */
	{0x00, 0x30, 8, WRITES_RM, 1, 0},     {0x02, 0x32, 8, WRITES_REG, 1, 0}, /* on bytes */
	{0x38, 0x3b, 1, READS, 1, 0},         {0x3c, 0x3c, 1, READS, 0, 1},      /* cmp */
	{0x3d, 0x3d, 1, READS, 0, 4},         {0x63, 0x63, 1, WRITES_REG, 1, 0}, /* movslq */
	{0x69, 0x69, 1, WRITES_REG, 1, 4},    {0x6b, 0x6b, 1, WRITES_REG, 1, 1}, /* imul */
	{0x80, 0x80, 1, GROUP_80, 1, 1},      {0x81, 0x81, 1, GROUP_80, 1, 4},
	{0x83, 0x83, 1, GROUP_80, 1, 1},      {0x84, 0x85, 1, READS, 1, 0},      /* test */
	{0x88, 0x89, 1, WRITES_RM, 1, 0},     {0x8a, 0x8b, 1, WRITES_REG, 1, 0}, /* mov */
	{0x8d, 0x8d, 1, WRITES_REG, 1, 0},                                       /* lea */
	{0xa8, 0xa8, 1, READS, 0, 1},         {0xa9, 0xa9, 1, READS, 0, 4},      /* test */
	{0xb0, 0xb7, 1, WRITES_OPCODE, 0, 1}, {0xb8, 0xbf, 1, WRITES_OPCODE, 0, 4},
	{0xc0, 0xc1, 1, WRITES_RM, 1, 1},     {0xc6, 0xc6, 1, WRITES_RM, 1, 1}, /* shifts, mov */
	{0xc7, 0xc7, 1, WRITES_RM, 1, 4},     {0xd0, 0xd1, 1, WRITES_RM, 1, 0},
	{0xf7, 0xf7, 1, GROUP_F7, 1, 0},
};

static const struct layout two_bytes[] = {
	{0x10, 0x11, 1, WRITES_XMM, 1, 0}, {0x1f, 0x1f, 1, READS, 1, 0},      /* movups; nop */
	{0x28, 0x29, 1, WRITES_XMM, 1, 0}, {0x40, 0x4f, 1, WRITES_REG, 1, 0}, /* movaps; cmov */
	{0x57, 0x57, 1, WRITES_XMM, 1, 0}, {0x6e, 0x6f, 1, WRITES_XMM, 1, 0}, /* xorps; movd */
	{0x7f, 0x7f, 1, WRITES_XMM, 1, 0}, {0x90, 0x9f, 1, WRITES_RM, 1, 0},  /* setcc */
	{0xa3, 0xa3, 1, READS, 1, 0},      {0xaf, 0xaf, 1, WRITES_REG, 1, 0}, /* bt; imul */
	{0xb6, 0xb7, 1, WRITES_REG, 1, 0}, {0xbc, 0xbf, 1, WRITES_REG, 1, 0}, /* movzx; bsf … */
	{0xd6, 0xd6, 1, WRITES_XMM, 1, 0}, {0xef, 0xef, 1, WRITES_XMM, 1, 0}, /* movq; pxor */
};

static const struct layout *find_layout(const struct instruction *instruction)
{
	int is_long = instruction->opcode == 0x0f;
	const struct layout *layouts = is_long ? two_bytes : one_byte;
	size_t count = is_long ? ARRAY_SIZE(two_bytes) : ARRAY_SIZE(one_byte);
	uint8_t opcode = is_long ? instruction->opcode_0f : instruction->opcode;

	for (size_t i = 0; i < count; i++)
		if (opcode >= layouts[i].first && opcode <= layouts[i].last &&
		    (opcode - layouts[i].first) % layouts[i].step == 0)
			return &layouts[i];
	return NULL;
}

static uint8_t mode_of(const struct instruction *instruction)
{
	return instruction->modrm >> 6;
}

static uint8_t reg_of(const struct instruction *instruction)
{
	return (instruction->modrm >> 3 & 7) | (instruction->rex & 4) << 1;
}

/* The register in the rm field, NO_NUMBER when that is memory. */
static uint8_t rm_of(const struct instruction *instruction)
{
	if (mode_of(instruction) != 3)
		return NO_NUMBER;
	return (instruction->modrm & 7) | (instruction->rex & 1) << 3;
}

static void skip_operand(struct byte_cursor *cursor, struct instruction *instruction)
{
	uint8_t mode, base;

	instruction->modrm = byte_cursor_u8(cursor);
	mode = mode_of(instruction);
	base = instruction->modrm & 7;
	if (mode == 3)
		return;
	if (base == 4) {
		base = byte_cursor_u8(cursor) & 7;
		if (mode == 0 && base == 5)
			byte_cursor_skip(cursor, 4);
	} else if (mode == 0 && base == 5) {
		byte_cursor_skip(cursor, 4); /* relative to the instruction */
	}
	byte_cursor_skip(cursor, mode == 1 ? 1 : mode == 2 ? 4 : 0);
}

static void read_prefixes(struct byte_cursor *cursor, struct instruction *instruction)
{
	for (;;) {
		uint8_t byte = byte_cursor_u8(cursor);

		if (byte == 0x66)
			instruction->prefixes |= PREFIX_66;
		else if (byte == 0xf2 || byte == 0xf3)
			instruction->prefixes |= PREFIX_REPEAT;
		else if (byte == 0x2e || byte == 0x64 || byte == 0x65)
			instruction->prefixes |= PREFIX_SEGMENT;
		else if ((byte & 0xf0) == 0x40)
			instruction->rex = byte;
		else {
			instruction->opcode = byte;
			return;
		}
		if (cursor->is_overrun)
			return;
	}
}

/* Whether it is about bytes, of which some registers have two. */
static int is_about_bytes(const struct instruction *instruction)
{
	if (instruction->opcode == 0x0f)
		return (instruction->opcode_0f & 0xf0) == 0x90;
	return (instruction->opcode & 0xf8) == 0xb0 || !(instruction->opcode & 1);
}

/* The register that the instruction writes, NO_NUMBER: none that matters. */
static uint8_t register_written(const struct instruction *instruction, enum effect effect)
{
	switch (effect) {
	case WRITES_REG:
		return reg_of(instruction);
	case WRITES_RM:
		return rm_of(instruction);
	case WRITES_OPCODE:
		return (instruction->opcode & 7) | (instruction->rex & 1) << 3;
	case GROUP_80:
		return (instruction->modrm >> 3 & 7) == 7 ? NO_NUMBER : rm_of(instruction);
	case GROUP_F7:
		return (instruction->modrm >> 3 & 7) < 2 ? NO_NUMBER : rm_of(instruction);
	case STOP:
	case READS:
	case WRITES_XMM:
		break;
	}
	return NO_NUMBER;
}

static int is_kept(uint8_t number, uint32_t arguments)
{
	return number == NUMBER_RSP || (number == NUMBER_RDI && arguments & PROBE_RDI) ||
	       (number == NUMBER_RSI && arguments & PROBE_RSI) ||
	       (number == NUMBER_RDX && arguments & PROBE_RDX);
}

/* Read what is behind the opcode. Returns non-zero when the instruction may be stepped over. */
static int read_operands(struct byte_cursor *cursor, struct instruction *instruction,
			 uint32_t arguments)
{
	const struct layout *layout = find_layout(instruction);
	size_t constant;
	uint8_t written;

	if (!layout)
		return 0;
	if (layout->has_modrm)
		skip_operand(cursor, instruction);
	constant = layout->constant_bytes;
	if (constant == 4 && instruction->prefixes & PREFIX_66)
		constant = 2;
	if (layout->effect == WRITES_OPCODE && constant == 4 && instruction->rex & 8)
		constant = 8;
	if (layout->effect == GROUP_F7) {
		uint8_t which = instruction->modrm >> 3 & 7;

		if (which > 3)
			return 0; /* multiplication and division: rax and rdx */
		if (which < 2)
			constant = instruction->prefixes & PREFIX_66 ? 2 : 4;
	}
	byte_cursor_skip(cursor, constant);
	written = register_written(instruction, (enum effect)layout->effect);
	/* Without a rex prefix 4 to 7 are the upper bytes of others. */
	if (written >= 4 && written < 8 && !instruction->rex && is_about_bytes(instruction))
		return 0;
	return !cursor->is_overrun && !is_kept(written, arguments);
}

/* push of a register, jumps and calls to a fixed place, and the nop of one byte. */
static int is_emulated(const struct instruction *instruction)
{
	uint8_t opcode = instruction->opcode;

	if (instruction->prefixes)
		return 0; /* kernels refuse some of these */
	return (opcode >= 0x50 && opcode <= 0x57) || (opcode >= 0x70 && opcode <= 0x7f) ||
	       opcode == 0x90 || opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb ||
	       (opcode == 0x0f && (instruction->opcode_0f & 0xf0) == 0x80);
}

static int is_nop(const struct instruction *instruction)
{
	return instruction->opcode == 0x0f && instruction->opcode_0f == 0x1f;
}

/* endbr64, which marks where indirect calls may go. */
static int is_branch_mark(const uint8_t *code, size_t size)
{
	return size >= 4 && code[0] == 0xf3 && code[1] == 0x0f && code[2] == 0x1e &&
	       code[3] == 0xfa;
}

int probe_site_find(const uint8_t *code, size_t size, uint32_t arguments, struct probe_site *site)
{
	struct probe_site second = {UINT32_MAX, 0};
	struct byte_cursor cursor = {code,
				     code + (size < PROBE_SITE_BYTES ? size : PROBE_SITE_BYTES), 0};

	while (byte_cursor_left(&cursor)) {
		const uint8_t *start = cursor.at;
		struct instruction instruction = {0};
		int is_mark = is_branch_mark(start, byte_cursor_left(&cursor)), goes_on = 1;

		if (is_mark) {
			byte_cursor_skip(&cursor, 4);
		} else {
			read_prefixes(&cursor, &instruction);
			if (instruction.opcode == 0x0f)
				instruction.opcode_0f = byte_cursor_u8(&cursor);
			if (cursor.is_overrun)
				break;
			if (is_emulated(&instruction)) {
				*site = (struct probe_site){(uint32_t)(start - code), 1};
				return 0;
			}
			goes_on = read_operands(&cursor, &instruction, arguments);
		}
		if (cursor.is_overrun)
			break;
		/* Dear, but possible: what starts here. Nops are not, whatever their length. */
		if (second.offset == UINT32_MAX && !is_nop(&instruction))
			second.offset = (uint32_t)(start - code);
		if (!goes_on)
			break;
	}
	if (second.offset == UINT32_MAX)
		return -ENOENT;
	*site = second;
	return 0;
}
