/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/elf/probe_site.h"

#include <Zydis/Zydis.h>
#include <errno.h>

/* The registers that the caller's arguments are in, and their bits. */
static const struct {
	ZydisRegister number;
	uint32_t argument; /* 0: always kept */
} kept[] = {
	{ZYDIS_REGISTER_RSP, 0},
	{ZYDIS_REGISTER_RDI, PROBE_RDI},
	{ZYDIS_REGISTER_RSI, PROBE_RSI},
	{ZYDIS_REGISTER_RDX, PROBE_RDX},
};

/*
 * Kinds of instructions that only compute. Whatever is not among them ends the search, so a gap costs
 * a cheap probe, never a wrong one.
 */
static const ZydisInstructionCategory harmless[] = {
	ZYDIS_CATEGORY_BINARY,  ZYDIS_CATEGORY_BITBYTE,    ZYDIS_CATEGORY_CMOV,
	ZYDIS_CATEGORY_CONVERT, ZYDIS_CATEGORY_DATAXFER,   ZYDIS_CATEGORY_LOGICAL,
	ZYDIS_CATEGORY_SETCC,   ZYDIS_CATEGORY_LOGICAL_FP, ZYDIS_CATEGORY_SHIFT,
	ZYDIS_CATEGORY_WIDENOP, ZYDIS_CATEGORY_ROTATE,
};

/* What an instruction is, with its operands, also those that are not written out. */
struct decoded {
	ZydisDecodedInstruction instruction;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
};

static int is_kept(ZydisRegister number, uint32_t arguments)
{
	/* Parts of a register are as good as all of it. */
	ZydisRegister whole = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, number);

	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		if (kept[i].number == whole)
			return !kept[i].argument || kept[i].argument & arguments;
	return 0;
}

static int is_harmless(const ZydisDecodedInstruction *instruction)
{
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (instruction->meta.category == harmless[i])
			return 1;
	/* endbr64 marks where indirect calls may go. */
	return instruction->mnemonic == ZYDIS_MNEMONIC_LEA ||
	       instruction->mnemonic == ZYDIS_MNEMONIC_ENDBR64;
}

/* Whether the next instruction follows, and finds the stack pointer and the arguments as they were. */
static int may_be_stepped_over(const struct decoded *decoded, uint32_t arguments)
{
	for (size_t i = 0; i < decoded->instruction.operand_count; i++) {
		const ZydisDecodedOperand *operand = &decoded->operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    is_kept(operand->reg.value, arguments))
			return 0;
	}
	return is_harmless(&decoded->instruction);
}

/* Without the prefix that only names registers. */
static int has_prefixes(const ZydisDecodedInstruction *instruction)
{
	int is_named = (instruction->attributes & ZYDIS_ATTRIB_HAS_REX) != 0;

	return instruction->raw.prefix_count > is_named;
}

/* push of a register, jumps and calls to a fixed place, and the nop of one byte. */
static int is_emulated(const ZydisDecodedInstruction *instruction)
{
	uint8_t opcode = instruction->opcode;

	if (has_prefixes(instruction))
		return 0; /* kernels refuse some of these */
	if (instruction->opcode_map == ZYDIS_OPCODE_MAP_0F)
		return (opcode & 0xf0) == 0x80;
	return instruction->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
	       ((opcode >= 0x50 && opcode <= 0x57) || (opcode >= 0x70 && opcode <= 0x7f) ||
		opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb ||
		(instruction->mnemonic == ZYDIS_MNEMONIC_NOP && instruction->length == 1));
}

static int is_wide_nop(const struct decoded *decoded)
{
	return decoded->instruction.meta.category == ZYDIS_CATEGORY_WIDENOP;
}

int probe_site_find(const uint8_t *code, size_t size, uint32_t arguments, struct probe_site *site)
{
	struct probe_site second = {UINT32_MAX, 0};
	ZydisDecoder decoder;
	struct decoded decoded;
	size_t at = 0;

	if (!ZYAN_SUCCESS(
		    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return -ENOENT;
	while (at < size &&
	       ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, code + at, size - at,
						   &decoded.instruction, decoded.operands))) {
		if (is_emulated(&decoded.instruction)) {
			*site = (struct probe_site){(uint32_t)at, 1};
			return 0;
		}
		/* Dear, but possible: what starts here. Nops are not, whatever their length. */
		if (second.offset == UINT32_MAX && !is_wide_nop(&decoded))
			second.offset = (uint32_t)at;
		if (!may_be_stepped_over(&decoded, arguments))
			break;
		at += decoded.instruction.length;
	}
	if (second.offset == UINT32_MAX)
		return -ENOENT;
	*site = second;
	return 0;
}
